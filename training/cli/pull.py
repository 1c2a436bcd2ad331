"""``pull``: fetch published weights, those of histology encoders with the user's own token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def pull(
    name: Annotated[
        str, typer.Argument(help="Name of the weights, such as sam_vit_b or uni2-h; an unknown name lists them all.")
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the weights; default: REFINE_WEIGHTS__FOLDER.", show_default=False)
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token of an account that was admitted to a histology encoder; default: the token itself"
            " in the environment variable HF_TOKEN.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Download published weights; if interrupted, the next pull continues from there."""
    from app.cli.console import stderr
    from app.cli.progress import show_progress
    from app.settings import read_settings
    from training.models.published import pull_published

    token = os.environ.get("HF_TOKEN") if token_file is None else _token_in(token_file)
    weights = read_settings().weights
    with show_progress(name, stderr()) as progress:
        path = pull_published(
            name, folder or weights.folder, token=token or None, mirror=weights.mirror, progress=progress
        )
    typer.echo(str(path))


def _token_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read", param_hint="--token-file") from error
