"""``tables`` lists the thesis' tables and figures; ``table`` runs one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.train import Device, Precision


def tables() -> None:
    """List every table and figure of the thesis' chapters 4 to 6, and what runs each."""
    from training.tables.registry import ENTRIES, command_of

    for entry in ENTRIES:
        name = entry.number if " " in entry.number or not entry.number[0].isdigit() else f"table {entry.number}"
        typer.echo(f"{name}: {entry.title}\n    {command_of(entry)}")


def table(
    number: Annotated[str, typer.Argument(help='Of a table, as 5.6, or of a figure, as "figure 5.6".')],
    data: Annotated[Path, typer.Option(help="The dataset folder; or one of tiles with masks.")],
    out: Annotated[Path, typer.Option(help="Runs, embeddings and pages; the same one again goes on.")] = Path(
        "out/tables"
    ),
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
        bool, typer.Option("--small", help="Small models, most with random weights, to see that it runs.")
    ] = False,
    unseen: Annotated[
        Path | None, typer.Option(help="Data that nothing was trained on, for table 6.9; all of it counts.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of the recipe's 30.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="In place of the recipes' own.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Ask for at most so many objects of each dataset; 0: all.")] = 150,
    pictures: Annotated[int, typer.Option(min=0, help="Objects that are shown.")] = 3,
    precision: Annotated[Precision, typer.Option(help="auto: bfloat16 on a GPU.")] = Precision.auto,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Of the prompts.")] = 0,
) -> None:
    """Run a table or figure of the thesis; stop it with Ctrl-C, and go on with the same command."""
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
