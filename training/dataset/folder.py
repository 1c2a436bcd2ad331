"""The dataset folder: what lies in it, how it is read, and how damage is noticed.

::

    DIR/items.jsonl        one line per object, written when its two files are there
    DIR/splits.json        slide -> train, validation or test
    DIR/sources.json       what was exported into it, and where that lies
    DIR/exports.jsonl      one line per export: source, choice, counts, seed, digest of the dataset afterwards
    DIR/told/SOURCE.jsonl  what the last export of a source left out, could not read, or found gone: one line each
    DIR/windows/ID.jpg     1024 x 1024 RGB, twice the object's longer side
    DIR/masks/ID.png       1024 x 1024, 255 where the object is
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from app.geometry.windows import MODEL_SIDE_PX
from training.dataset.bars import checked
from training.dataset.item import Item, item_of
from training.dataset.splits import check_splits, read_splits
from training.errors import BrokenDataset

Rgb = npt.NDArray[np.uint8]

ITEMS, WINDOWS, MASKS = "items.jsonl", "windows", "masks"


@dataclass(frozen=True)
class Dataset:
    """A dataset folder that was opened."""

    folder: Path
    items: tuple[Item, ...]
    splits: dict[str, str]

    def of(self, split: str) -> list[Item]:
        """List the items of one side of the split; ``all`` gives every item."""
        return [item for item in self.items if split in {"all", self.splits[item.slide]}]

    def only(self, names: Sequence[str]) -> Dataset:
        """Keep the items of some of its datasets; without names, all.

        Raises
        ------
        BrokenDataset
            It has none of that name.
        """
        there = sorted({item.dataset for item in self.items})
        missing = [name for name in names if name not in there]
        if missing:
            raise BrokenDataset(f"{self.folder} has no dataset {missing[0]!r}: it has {', '.join(there)}.")
        items = tuple(item for item in self.items if not names or item.dataset in names)
        return Dataset(self.folder, items, self.splits)

    def image(self, item: Item) -> Rgb:
        """Read a window, (1024, 1024, 3) uint8 RGB.

        Raises
        ------
        BrokenDataset
            The file is missing or damaged.
        """
        return np.ascontiguousarray(_read(window_file(self.folder, item.id), cv2.IMREAD_COLOR)[..., ::-1])

    def mask(self, item: Item) -> BoolMask:
        """Read a mask, (1024, 1024) bool.

        Raises
        ------
        BrokenDataset
            The file is missing, damaged or empty.
        """
        file = mask_file(self.folder, item.id)
        mask = _read(file, cv2.IMREAD_GRAYSCALE) > 127
        if not mask.any():
            raise BrokenDataset(f"The mask {file} is empty. {_REMEDY}")
        return np.asarray(mask, np.bool_)

    @property
    def sha256(self) -> str:
        """Digest of all items, whatever their order: of windows, masks, ids and the split."""
        lines = sorted(f"{item.id} {item.sha256} {self.splits[item.slide]}" for item in self.items)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def check_files(self, items: list[Item]) -> None:
        """Look at every file of some items before hours are spent on them.

        Raises
        ------
        BrokenDataset
            A file is missing, or is not what was exported.
        """
        for item in checked(items):
            if digest_of_files(self.folder, item.id) != item.sha256:
                raise BrokenDataset(f"The files of {item.id} in {self.folder} are not what was exported. {_REMEDY}")


_REMEDY = "Delete its two files and run the export again: it makes only what is missing."


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder.

    Raises
    ------
    BrokenDataset
        There is none, a line of it is damaged, or a slide has no side of the split.
    Leakage
        The same pixels lie on two sides of the split.
    """
    if not (folder / ITEMS).is_file():
        raise BrokenDataset(
            f"{folder} is not a dataset: {ITEMS} is missing. `python -m training export --help` makes one."
        )
    items = tuple(read_items(folder))
    if not items:
        raise BrokenDataset(f"The dataset {folder} has no items.")
    splits = read_splits(folder)
    check_splits(items, splits)
    return Dataset(folder, items, splits)


def read_items(folder: Path) -> Iterator[Item]:
    """Read the items of a dataset, in order.

    A later line of the same object stands for an earlier one, whose export was stopped before it could take that one
    out; an unfinished last line, of an export that was cut off, does not count.
    """
    found: dict[str, Item] = {}
    for item in lines_of(folder):
        if isinstance(item, Damaged):
            raise BrokenDataset(
                f"Line {item.number} of {folder / ITEMS} is damaged: {item.reason}."
                " Run the export again: it makes that object anew."
            )
        found[item.identity] = item
    yield from found.values()


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that holds no item."""

    number: int
    reason: str


def lines_of(folder: Path) -> Iterator[Item | Damaged]:
    """Go through the lines of a dataset, whatever they hold."""
    raw = (folder / ITEMS).read_bytes()
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and line and not _holds_item(line):
            return  # cut off
        if line:
            yield _read_line(number, line)


def _holds_item(line: bytes) -> bool:
    return isinstance(_read_line(0, line), Item)


def _read_line(number: int, line: bytes) -> Item | Damaged:
    try:
        return item_of(line.decode("utf-8"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return Damaged(number, f"{type(error).__name__} {error}")


def window_file(folder: Path, item_id: str) -> Path:
    """Where a window lies."""
    return folder / WINDOWS / f"{item_id}.jpg"


def mask_file(folder: Path, item_id: str) -> Path:
    """Where a mask lies."""
    return folder / MASKS / f"{item_id}.png"


def digest_of_files(folder: Path, item_id: str) -> str | None:
    """Digest a window and its mask as they lie on the disk; None where one is missing."""
    digest = hashlib.sha256()
    try:
        for file in (window_file(folder, item_id), mask_file(folder, item_id)):
            digest.update(file.read_bytes())
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def _read(file: Path, flags: int) -> npt.NDArray[np.uint8]:
    try:
        raw = np.frombuffer(file.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise BrokenDataset(f"{file} is missing. {_REMEDY}") from error
    image = cv2.imdecode(raw, flags) if raw.size else None
    if image is None or image.shape[:2] != (MODEL_SIDE_PX, MODEL_SIDE_PX):
        raise BrokenDataset(f"{file} is damaged. {_REMEDY}")
    return np.asarray(image, np.uint8)
