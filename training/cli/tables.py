"""``tables`` lists the thesis' tables and figures; ``table`` runs one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import AsJson, print_json
from training.cli.train import Device, Precision


def tables(as_json: AsJson = False) -> None:
    """List every table and figure of the thesis' chapters 4 to 6, and the command that runs each."""
    from training.tables.registry import ENTRIES, command_of

    if as_json:
        print_json([{"number": each.number, "title": each.title, "command": command_of(each)} for each in ENTRIES])
        return
    for entry in ENTRIES:
        name = entry.number if " " in entry.number or not entry.number[0].isdigit() else f"table {entry.number}"
        typer.echo(f"{name}: {entry.title}\n    {command_of(entry)}")


def table(
    number: Annotated[
        str, typer.Argument(help='Number of a table, such as 5.6, or of a figure, such as "figure 5.6".')
    ],
    data: Annotated[Path, typer.Option(help="Dataset folder, or folder of tiles with masks.")],
    out: Annotated[
        Path, typer.Option(help="Folder of runs, embeddings and pages; give the same one again to continue.")
    ] = Path("out/tables"),
    datasets: Annotated[
        str | None,
        typer.Option(help="Parts of the data, A,B,C, in the order of the thesis' columns.", show_default="all"),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="PART=CHECKPOINT, as sam_vit_b=FILE, uni=FOLDER, cascadepsp=FILE, sam2.1_hiera_b+=base_plus."
        ),
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="Use small models, most with random weights, to see whether it runs.")
    ] = False,
    unseen: Annotated[
        Path | None, typer.Option(help="Data that no model was trained on, for table 6.9, whatever its split.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, instead of the recipe's 30.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Batch size, instead of the recipe's.")] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Measure on at most this many objects of each dataset; 0: all.")
    ] = 150,
    pictures: Annotated[int, typer.Option(min=0, help="How many objects to show.")] = 3,
    precision: Annotated[
        Precision, typer.Option(help="Precision; auto is bfloat16 on a GPU, else float32.")
    ] = Precision.auto,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the prompts.")] = 0,
) -> None:
    """Run a table or figure of the thesis; stop with Ctrl-C, continue with the same command."""
    from app.errors import InvalidSettings
    from training.cli.export import tell
    from training.dataset import open_dataset
    from training.dataset.export import check_data, dataset_of
    from training.early import check_out
    from training.start import machine
    from training.tables.registry import command_of, entry_of
    from training.tables.run import Job, run
    from training.tables.weights import read_weights

    entry = entry_of(number)
    if entry.elsewhere:
        raise InvalidSettings(f"{entry.number}: {command_of(entry)}")
    for each in (data, unseen):
        if each is not None:
            check_data(each)
    check_out(out)
    names = tuple(name.strip() for name in datasets.split(",")) if datasets else ()
    job = Job(
        entry, open_dataset(dataset_of(data, out / "data", tell)), out, read_weights(weights or [], small=small),
        machine(device, precision.value), names,
        open_dataset(dataset_of(unseen, out / "unseen", tell)) if unseen else None,
        epochs, batch, limit, pictures, seed,
    )  # fmt: skip
    typer.echo(f"{run(job)}: open it in a browser.")
