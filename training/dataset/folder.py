"""The dataset folder: what lies in it, how it is read, and how damage is noticed.

::

    DIR/items.jsonl        one line per object, written when its two files are there
    DIR/splits.json        slide -> train, validation or test
    DIR/exports.jsonl      one line per export: source, choice, counts, seed, digest of the dataset afterwards
    DIR/windows/ID.jpg     1024 x 1024 RGB, twice the object's longer side
    DIR/masks/ID.png       1024 x 1024, 255 where the object is
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from app.geometry.windows import MODEL_SIDE_PX
from training.dataset.splits import read_splits
from training.errors import BrokenDataset

Rgb = npt.NDArray[np.uint8]

ITEMS, WINDOWS, MASKS = "items.jsonl", "windows", "masks"


@dataclass(frozen=True, slots=True)
class Item:
    """One object."""

    id: str
    """Unique in its dataset; the name of its files."""
    dataset: str
    """Where it came from: a project, or a folder."""
    slide: str
    """What must stay on one side of a split."""
    annotation: str
    object_type: str
    """The term, or what the source calls it."""
    window: tuple[int, int, int]
    """x0, y0, side: slide frame, level-0 pixels."""
    box: tuple[float, float, float, float]
    """Tight box of the mask: x_min, y_min, x_max, y_max, continuous pixels of the 1024-px window."""
    longer_px0: float
    """The longer side of the object, level-0 pixels."""
    area_px0: float
    """Level-0 pixels."""
    mpp: float | None
    """Microns per level-0 pixel, where the source says."""
    touches_edge: bool
    """Whether the image ends where the object does."""
    sha256: str
    """Of the window's file and the mask's, one after the other."""


@dataclass(frozen=True)
class Dataset:
    """A dataset folder that was opened."""

    folder: Path
    items: tuple[Item, ...]
    splits: dict[str, str]

    def of(self, split: str) -> list[Item]:
        """List the items of one side of the split; ``all`` gives every item."""
        return [item for item in self.items if split in {"all", self.splits[item.slide]}]

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
        for item in items:
            if digest_of_files(self.folder, item.id) != item.sha256:
                raise BrokenDataset(f"The files of {item.id} in {self.folder} are not what was exported. {_REMEDY}")


_REMEDY = "Delete its two files and give the export again: it makes only what is missing."


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder.

    Raises
    ------
    BrokenDataset
        There is none, a line of it is damaged, or a slide has no side of the split.
    Leakage
        The same pixels lie on two sides of the split.
    """
    from training.dataset.splits import check_splits

    if not (folder / ITEMS).is_file():
        raise BrokenDataset(
            f"{folder} is no dataset: {ITEMS} is missing. `python -m training export --help` makes one."
        )
    items = tuple(read_items(folder))
    if not items:
        raise BrokenDataset(f"The dataset {folder} has no items.")
    splits = read_splits(folder)
    check_splits(items, splits)
    return Dataset(folder, items, splits)


def read_items(folder: Path) -> Iterator[Item]:
    """Read the lines of a dataset; an unfinished last line, of an export that was cut off, does not count."""
    text = (folder / ITEMS).read_text(encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield _item(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines) and not text.endswith("\n"):
                return
            raise BrokenDataset(f"Line {number} of {folder / ITEMS} is damaged: {error}.") from error


def line_of(item: Item) -> str:
    """Give an item's line, with its end."""
    return json.dumps(asdict(item)) + "\n"


def _item(values: dict[str, object]) -> Item:
    x0, y0, side = (int(str(value)) for value in _list(values, "window", 3))
    left, top, right, bottom = (float(str(value)) for value in _list(values, "box", 4))
    return Item(**{**values, "window": (x0, y0, side), "box": (left, top, right, bottom)})  # type: ignore[arg-type]


def _list(values: dict[str, object], name: str, count: int) -> list[object]:
    found = values[name]
    if not isinstance(found, list) or len(found) != count:
        raise ValueError(f"{name} should be {count} numbers")
    return found


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
