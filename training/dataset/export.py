"""The export: a dataset folder follows its sources, object by object, and may be stopped at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from app.errors import InvalidSettings
from training.dataset.bars import export_bar
from training.dataset.files import alone
from training.dataset.folder import ITEMS, Dataset
from training.dataset.ledger import Ledger
from training.dataset.outcome import Choice, Exported
from training.dataset.registry import register
from training.dataset.sources import Source
from training.dataset.synchronise import Synchronisation
from training.errors import telling_of_full_disks

__all__ = ["Choice", "Exported", "check_data", "dataset_of", "export"]

EXPORTS = "exports.jsonl"


def export(source: Source, folder: Path, choice: Choice | None = None, *, name: str | None = None) -> Exported:
    """Let a dataset folder follow a source; it may hold others, and earlier exports of this one.

    Objects that were corrected replace their items, and those that are gone are told, or taken out where the choice
    says so. What cannot be read is left out and named; nothing else is held up by it.

    Parameters
    ----------
    source : Source
        See `training.dataset.sources`.
    folder : Path
        The dataset; made where it does not exist.
    name : str, optional
        What the dataset calls the source; default: what it called it before, or its own name.

    Raises
    ------
    BrokenSource
        The source cannot be read at all, or no more; what was finished stays, and can be trained on.
    NoSpace
        The disk is full; what was finished stays.
    BrokenDataset
        Another export is writing there, or a file of the dataset is damaged; says what to do.
    Leakage
        A slide and its copy were on two sides of the split before; says what to do.
    """
    choice = choice or Choice()
    with telling_of_full_disks(str(folder)), alone(folder):
        ledger = Ledger(folder)
        key, moved = register(folder, source, name)
        done = Exported(key, moved_from=moved)
        run = Synchronisation(source, key, choice, ledger, done)
        try:
            with export_bar() as bar:
                run.synchronise(bar)
        except BaseException:
            ledger.close(choice.seed)
            raise
        splits = ledger.close(choice.seed)
        done.write(folder)
        _record(folder, choice, done, Dataset(folder, tuple(ledger.items.values()), splits))
    return done


def _record(folder: Path, choice: Choice, done: Exported, dataset: Dataset) -> None:
    """Note what was exported, with the digest of what the dataset is now."""
    line = {"source": done.source, "choice": asdict(choice), **done.counts(), "dataset_sha256": dataset.sha256}
    with (folder / EXPORTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def check_data(data: Path) -> None:
    """Make sure that `dataset_of` can give a dataset, before anything is read or made.

    Raises
    ------
    InvalidSettings
        `data` is neither a dataset nor a folder of tiles.
    """
    from training.dataset.sources.tiles import TilesFolder

    if not data.is_dir():
        raise InvalidSettings(f"There is no folder {data}.")
    if not (data / ITEMS).is_file() and not TilesFolder.is_one(data):
        raise InvalidSettings(
            f"{data} is neither a dataset nor a folder of tiles with masks: make one with `python -m training export`."
        )


def dataset_of(data: Path, folder: Path, tell: Callable[[Exported, Path], None] | None = None) -> Path:
    """Give a dataset folder: `data` itself if it is one, else what an export of its tiles into `folder` makes.

    Parameters
    ----------
    tell : callable, optional
        Is told what the export did, and the folder.
    """
    from training.dataset.sources.tiles import TilesFolder

    if (data / ITEMS).is_file():
        return data
    done = export(TilesFolder(data), folder)
    if tell is not None:
        tell(done, folder)
    return folder
