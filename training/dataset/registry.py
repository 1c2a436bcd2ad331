"""Which sources a dataset has: ``sources.json`` maps the name of each to where it lies."""

from __future__ import annotations

import json
from pathlib import Path

from training.dataset.files import write_whole
from training.dataset.sources import Source
from training.errors import BrokenDataset

FILE = "sources.json"


def register(folder: Path, source: Source, name: str | None = None) -> tuple[str, str | None]:
    """Find out what a dataset calls a source, or give it a name of its own.

    Parameters
    ----------
    name : str, optional
        What the person says that it is called; else a source is known by its place. One of the same name whose place
        is not there any more has moved.

    Returns
    -------
    name : str
        Unique in the dataset.
    moved_from : str or None
        Its place before, if that was another.
    """
    known = read_sources(folder)
    found: str = name or _known(known, source) or _free(known, source)
    before = known.get(found)
    known[found] = source.place
    write_whole(folder / FILE, (json.dumps(known, indent=1, ensure_ascii=False) + "\n").encode())
    return found, before if before != source.place else None


def read_sources(folder: Path) -> dict[str, str]:
    """Read name and place of each source; none where nothing was exported yet."""
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): str(place) for name, place in found.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise BrokenDataset(
            f"{file} is damaged: {error}. Delete it, and name the source of each export with --source: the names"
            ' are in items.jsonl, after "source".'
        ) from error


def _known(known: dict[str, str], source: Source) -> str | None:
    for name, place in known.items():
        if place == source.place:
            return name
    if source.name in known and _is_lost(known[source.name]):
        return source.name
    return None


def _is_lost(place: str) -> bool:
    """Whether nothing lies any more where a source lay; addresses are never lost."""
    return Path(place).is_absolute() and not Path(place).exists()


def _free(known: dict[str, str], source: Source) -> str:
    """Give a name that no other source has: its own, with its folder's in front, or with a number."""
    own, parent = source.name, Path(source.place).parent.name
    names = (own, *((f"{parent}/{own}",) if parent else ()), *(f"{own} ({number})" for number in range(2, 10_000)))
    free: str = next(name for name in names if name not in known)
    return free
