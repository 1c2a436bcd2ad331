"""``evaluate``: metrics.json and a report for a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.train import Config, Device, Encoder, Precision


def evaluate(
    data: Annotated[Path, typer.Option(help="Dataset folder, or folder of tiles with masks, all of which are used.")],
    checkpoint: Annotated[str, typer.Option(help="A file, the name of pulled weights, or embedded.")],
    out: Annotated[
        Path, typer.Option(help="Folder for metrics.json and report.html; give the same one again to continue.")
    ],
    config: Config = None,
    encoder: Encoder = None,
    sam: Annotated[
        str | None, typer.Option(help="Weights of the SAM that a histology encoder was joined to; default: as trained.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another checkpoint to compare with, FILE or FILE=CONFIG; may be repeated."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Part of the data: train, validation, test or all.", show_default="test; all of a folder of tiles"
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Use at most this many objects of each dataset; 0: all.")] = 150,
    cascadepsp: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Also redraw masks with CascadePSP (package segmentation-refinement, extra cascadepsp), with weights"
            " from a file or from an existing folder; the published ones are downloaded to the folder unless they are"
            " there.",
        ),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="Precision; auto is bfloat16 on a GPU, else float32.")
    ] = Precision.auto,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the prompts and of --limit.")] = 0,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Write into the checkpoint's card which mask to take and how far to trust it. Only for data that it"
            " was never trained on; images that the card names as left out are found automatically.",
        ),
    ] = False,
) -> None:
    """Evaluate a checkpoint with every kind of prompt, beside plain baselines, and write a report."""
    from training.cli.export import tell
    from training.dataset import SPLITS
    from training.dataset.export import dataset_of
    from training.early import check_evaluation_data, check_out
    from training.evaluation.cascade_psp import open_cascade_psp
    from training.evaluation.whole import evaluate_and_report
    from training.models import open_model
    from training.start import machine

    if split not in {*SPLITS, "all", None}:
        raise typer.BadParameter(f"choose among {', '.join(SPLITS)}, all", param_hint="--split")
    check_evaluation_data(data, split)
    check_out(out)
    where = machine(device, precision.value)
    loaded = [open_model(checkpoint, config, encoder, sam)]
    for other in against or []:
        name, _, its_config = other.partition("=")
        loaded.append(open_model(name, its_config or None))
    redraw = open_cascade_psp(cascadepsp, where.device) if cascadepsp else None
    dataset = dataset_of(data, out / "data", tell)
    split = split or ("test" if dataset == data else "all")
    if calibrate and loaded[0].path is None:
        raise typer.BadParameter("random weights have no card", param_hint="--calibrate")
    report = evaluate_and_report(dataset, loaded, where, split, limit, seed, out, calibrate=calibrate, redraw=redraw)
    typer.echo(f"{report.metrics}, {report.html}: {report.headline}")
    if report.card:
        typer.echo(f"{report.card} now says which mask to take and how far to trust it.")
