"""``weights``: list, pull and verify checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from app.cli.console import AsJson, Commands, print_json, stderr, stdout
from app.cli.progress import show_progress
from app.errors import StartupError
from app.segmenter.weights import REGISTRY, WeightsEntry, back, choose, find_name, in_use, pull, use, verify
from app.settings import Settings, read_settings

app = typer.Typer(cls=Commands, no_args_is_help=True, help="List, pull, verify and switch checkpoints.")

Folder = Annotated[
    Path | None,
    typer.Option(help="Folder of the checkpoints; default: REFINE_WEIGHTS__FOLDER.", show_default=False),
]


@app.command("list")
def list_weights(folder: Folder = None, as_json: AsJson = False) -> None:
    """List the known checkpoints, and the one that the service would start with."""
    settings = _settings(folder)
    if as_json:
        print_json(_listed(settings))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("name", "state", "size", "config", "about"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "size" else "left")
    for entry in REGISTRY:
        state = _state(entry, settings.weights.folder)
        table.add_row(entry.name, state, f"{entry.size_bytes / 1e6:,.1f} MB", entry.config, entry.about)
    stdout().print(table)
    try:
        stdout().print(f"Would start with: {choose(settings).description}")
    except StartupError as error:
        stdout().print(f"Would not start: {error.detail}")


def _listed(settings: Settings) -> dict[str, Any]:
    """Give what a script reads: `would_start_with` is null where `problem` says why the service would not start."""
    folder = settings.weights.folder
    known = [
        {
            "name": entry.name,
            "state": _state(entry, folder),
            "size_bytes": entry.size_bytes,
            "config": entry.config,
            "about": entry.about,
            "path": str(entry.path_in(folder)),
        }
        for entry in REGISTRY
    ]
    try:
        chosen = choose(settings)
    except StartupError as error:
        return {"checkpoints": known, "would_start_with": None, "problem": error.detail}
    names = ("name", "origin", "config", "sha256")
    start = {name: getattr(chosen, name) for name in names} | {"path": str(chosen.path)}
    return {"checkpoints": known, "would_start_with": start, "problem": None}


@app.command("pull")
def pull_weights(
    name: Annotated[str, typer.Argument(help="Name from the list.")] = REGISTRY[0].name,
    folder: Folder = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            help="Base URL in place of the checkpoint's own host; default: REFINE_WEIGHTS__MIRROR.",
            show_default=False,
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(help="Proxy URL; default: as HTTPS_PROXY says.", show_default=False),
    ] = None,
) -> None:
    """Download a checkpoint; if interrupted, the next pull continues from there."""
    settings = _settings(folder)
    entry = _entry(name)
    try:
        with show_progress(entry.name, stderr()) as progress:
            path = pull(
                entry,
                settings.weights.folder,
                mirror=mirror or settings.weights.mirror,
                proxy=proxy,
                progress=progress,
            )
    except KeyboardInterrupt:
        stderr().print("Stopped; the next pull resumes from here.")
        raise
    stdout().print(str(path))


@app.command("verify")
def verify_weights(
    target: Annotated[
        str | None,
        typer.Argument(
            help="Name from the list, or a file; default: what the service would start with.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="SAM 2.1 config to load it with, a name or a YAML file; default: the checkpoint's own.",
            show_default=False,
        ),
    ] = None,
    folder: Folder = None,
) -> None:
    """Check size and digest, and load the checkpoint strictly."""
    settings = _settings(folder)
    entry = None if target is None else find_name(target)
    if target is None:
        chosen = choose(settings)
        path, config = chosen.path, config or chosen.config
    else:
        path = entry.path_in(settings.weights.folder) if entry else Path(target)
    found = verify(path, entry=entry, config=config)
    stdout().print(f"{found.path}: {found.size_bytes:,} bytes, sha256 {found.sha256}")
    stdout().print(f"is {found.name}" if found.name else "is not one of the published checkpoints")
    if found.config is None:
        stdout().print("was not loaded: name its config with --config")
    else:
        stdout().print(f"loads strictly with config {found.config}")


@app.command("use")
def use_weights(
    target: Annotated[str, typer.Argument(help="A file with its card beside it, or a name from the list.")],
    folder: Folder = None,
) -> None:
    """Put a checkpoint to use; a running service switches to it within seconds and loses no request."""
    settings = _settings(folder)
    entry = find_name(target)
    path = entry.path_in(settings.weights.folder) if entry else Path(target)
    found = verify(path, entry=entry, config=None if entry else _config_for(path, settings))
    kept = use(settings.weights.folder, path)
    stdout().print(f"{kept}: sha256 {found.sha256}")
    _tell_chosen(settings)


@app.command("back")
def back_to_weights(folder: Folder = None) -> None:
    """Go back to the checkpoint that was in use before the last `weights use`."""
    settings = _settings(folder)
    back(settings.weights.folder)
    _tell_chosen(settings)


def _config_for(path: Path, settings: Settings) -> str | None:
    """Give the config that the service would load a checkpoint without a card with."""
    return None if path.with_suffix(".json").is_file() else settings.segmenter.config


def _tell_chosen(settings: Settings) -> None:
    """Say what works from now on; where the settings leave that open, only the service's own know."""
    try:
        chosen = choose(settings).description
    except StartupError as error:
        stdout().print(f"With the settings of this shell, the service would not start: {error.detail}")
        return
    where = "put to use" if in_use(settings.weights.folder) else "from the settings"
    stdout().print(f"In use from now on ({where}): {chosen}")


def _settings(folder: Path | None) -> Settings:
    settings = read_settings()
    if folder is None:
        return settings
    return settings.model_copy(update={"weights": settings.weights.model_copy(update={"folder": folder})})


def _entry(name: str) -> WeightsEntry:
    entry = find_name(name)
    if entry is None:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(known.name for known in REGISTRY)}.")
    return entry


def _state(entry: WeightsEntry, folder: Path) -> str:
    """Say what is there, without reading it."""
    path = entry.path_in(folder)
    part = path.with_name(path.name + ".part")
    if path.exists():
        return "pulled" if path.stat().st_size == entry.size_bytes else "wrong size"
    if part.exists():
        return f"{100 * part.stat().st_size // entry.size_bytes} %"
    return "-"
