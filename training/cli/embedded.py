"""``embedded``: the small model that is committed, from drawn tissue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def embedded(
    out: Annotated[Path, typer.Option(help="Folder of the run; give the same one again to continue it.")] = Path(
        "out/embedded"
    ),
    steps: Annotated[
        int, typer.Option(min=1, help="How many steps to train; each takes a second or two on two cores.")
    ] = 3200,
    scenes: Annotated[int, typer.Option(min=12, help="How many drawn scenes to train on.")] = 800,
    seed: Annotated[int, typer.Option(help="Seed of the scenes, the samples and the weights.")] = 7,
    install: Annotated[
        Path | None, typer.Option(help="Folder to install the checkpoint and its record in, for the service to load.")
    ] = None,
) -> None:
    """Train the embedded demo model from drawn tissue."""
    import json

    from training.embedded.iou_over_minutes import plot_iou_over_minutes
    from training.embedded.train import Recipe, install_model, train

    checkpoint = train(Recipe(steps=steps, scenes=scenes, seed=seed), out)
    record = json.loads((out / "record.json").read_text())
    plot_iou_over_minutes(record["curve"], out / "curve.png")
    typer.echo(f"{checkpoint}: {checkpoint.stat().st_size / 1e6:.1f} MB, {record['steps']} steps")
    if install is not None:
        install_model(checkpoint, record, install)
        typer.echo(f"installed as {install}")
