"""``package``: a checkpoint with its card, as the service loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def package(
    run: Annotated[Path, typer.Option(help="Folder of a training run.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.pt, NAME.json and README.md.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "fine-tuned",
    licence: Annotated[str, typer.Option(help="Licence of the model; the terms of the data apply too.")] = "not stated",
    description: Annotated[str, typer.Option(help="A sentence for the card.")] = "",
    metrics: Annotated[
        Path | None, typer.Option(help="The metrics.json of an evaluation of the run's best.pt.")
    ] = None,
) -> None:
    """Package the best checkpoint of a training with a model card."""
    from training.package import About
    from training.package import package as make

    checkpoint = make(run, metrics, About(name, licence, description), out)
    typer.echo(f"{checkpoint}: check it with `python -m app weights verify {checkpoint}`")
