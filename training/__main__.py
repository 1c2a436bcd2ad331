"""Command line of the training: ``python -m training --help``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from training.embedded.curve import plot_curve
from training.embedded.train import Recipe, train

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train models for the refine service.")


@app.callback()
def training() -> None:
    """Keep ``embedded`` a command of its own."""


@app.command()
def embedded(
    out: Annotated[Path, typer.Option(help="Folder of the run; the same one again goes on with it.")] = Path(
        "out/embedded"
    ),
    minutes: Annotated[float, typer.Option(min=0.0, help="Training time, without drawing the scenes.")] = 85.0,
    scenes: Annotated[int, typer.Option(min=12, help="Drawn scenes to learn from.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the scenes, the samples and the weights.")] = 7,
    install: Annotated[
        Path | None, typer.Option(help="Also put the checkpoint and its record here, for the service to load.")
    ] = None,
) -> None:
    """Train the embedded demo model from drawn tissue."""
    checkpoint = train(Recipe(minutes=minutes, scenes=scenes, seed=seed), out)
    record = json.loads((out / "record.json").read_text())
    plot_curve(record["curve"], out / "curve.png")
    typer.echo(f"{checkpoint}: {checkpoint.stat().st_size / 1e6:.1f} MB, {record['steps']} steps")
    if install is not None:
        install.write_bytes(checkpoint.read_bytes())
        install.with_suffix(".json").write_text((out / "record.json").read_text())
        typer.echo(f"installed as {install}")


if __name__ == "__main__":
    app()
