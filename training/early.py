"""What is looked at before the first long step: where results go, whether there is room, and what data can give."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InvalidSettings
from training.dataset import Dataset, open_dataset
from training.dataset.export import check_data
from training.dataset.folder import ITEMS
from training.dataset.sources.tiles import TilesFolder
from training.errors import NoSpace

if TYPE_CHECKING:
    from training.finetune.recipe import Recipe
    from training.models import Promptable

SMALL_RESULTS = 64 << 20
"""Rows, curves and reports, bytes."""
_NEEDED_SLIDES = 3


def check_out(out: Path, needed: int = SMALL_RESULTS) -> None:
    """Make sure that results can be written, and that there is room for them.

    Parameters
    ----------
    needed : int
        Bytes, about.

    Raises
    ------
    InvalidSettings
        It is not a folder, or nothing may be written there.
    NoSpace
        The disk has fewer bytes left.
    """
    there = out
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise InvalidSettings(f"{there} is not a folder, so nothing can be written to {out}.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidSettings(f"Nothing may be written to {there}: choose another --out.")
    free = shutil.disk_usage(there).free
    if free < needed:
        sizes = f"needs about {_told(needed)}, and its disk has {_told(free)} left"
        raise NoSpace(f"{out} {sizes}: make room, or choose another --out.")


def check_training_data(data: Path) -> None:
    """Make sure that there is something to train on, and something to validate with.

    Raises
    ------
    InvalidSettings
        `data` is neither a dataset nor a folder of tiles, or holds too few slides.
    BrokenDataset, Leakage
        It is a dataset, and damaged.
    """
    check_data(data)
    if (data / ITEMS).is_file():
        dataset = open_dataset(data)
        enough = bool(dataset.of("train") and dataset.of("validation"))
    else:
        enough = len(TilesFolder(data).groups()) >= _NEEDED_SLIDES
    if not enough:
        raise InvalidSettings(
            f"{data} has nothing to train on, or nothing to validate with: it needs {_NEEDED_SLIDES} slides or more."
        )


def check_evaluation_data(data: Path, split: str | None) -> None:
    """Make sure that there is something to evaluate with.

    Raises
    ------
    InvalidSettings
        `data` is neither a dataset nor a folder of tiles, or has nothing on that side of its split.
    BrokenDataset, Leakage
        It is a dataset, and damaged.
    """
    check_data(data)
    if (data / ITEMS).is_file() and not open_dataset(data).of(split or "test"):
        raise InvalidSettings(f"The dataset {data} has nothing in its {split or 'test'} split: choose another --split.")


def room_for_training(model: Promptable, recipe: Recipe, dataset: Dataset, out: Path) -> int:
    """Say how many bytes a training will write: embeddings of every window, state and checkpoints."""
    weights: int = sum(value.numel() * value.element_size() for value in model.own_state().values())
    needed = SMALL_RESULTS + 6 * weights  # two checkpoints, a state with its moments, and one that is being written
    if recipe.tune == "decoder":
        needed += model.window_bytes * (len(dataset.of("train")) + len(dataset.of("validation")))
    return int(max(needed - _written(out), SMALL_RESULTS))


def _written(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0


def _told(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
