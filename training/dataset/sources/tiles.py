"""A folder of images with instance masks: ``NAME.png`` beside ``NAME.mask.png``, and what ``manifest.csv`` tells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import partial
from math import inf
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from scipy.ndimage import find_objects
from shapely.affinity import translate

from app.geometry.contours import trace_polygons
from app.geometry.windows import Window
from training.dataset.sources.files import open_pixels
from training.dataset.sources.images import slide_of
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource

_PART = re.compile(r"(?<=\d)[a-z]$")
"""Names that differ by this letter alone are parts of one field."""
_MASK = ".mask.png"


class TilesFolder:
    """Images with instance masks.

    Parameters
    ----------
    folder : Path
        With ``NAME.png`` and ``NAME.mask.png`` (0 is background, every other value one object), itself or in ``tiles``.
        A ``manifest.csv`` beside them may tell ``object_type`` and ``mpp`` of each ``name``. What stands before the
        first underscore of a name is its dataset.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._tiles = folder / "tiles" if (folder / "tiles").is_dir() else folder
        self._manifest = _manifest(folder) or _manifest(self._tiles)
        if not self.is_one(folder):
            raise BrokenSource(f"{folder} has no images with masks: no NAME.mask.png in it.")

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Whether a folder has images with masks."""
        return any(any(home.glob("*.mask.png")) for home in (folder, folder / "tiles"))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._home.resolve().name

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self._home.resolve())

    def count(self) -> int:
        """How many masks there are."""
        return sum(1 for _ in self._tiles.glob(f"*{_MASK}"))

    def groups(self) -> set[str]:
        """Name what must stay together in a split, by the files' names alone; quick."""
        return {_PART.sub("", mask.name.removesuffix(_MASK)) for mask in self._tiles.glob(f"*{_MASK}")}

    def slides(self) -> Iterator[SourceSlide | Refused]:
        """Go through the images."""
        for mask in sorted(self._tiles.glob(f"*{_MASK}")):
            name = mask.name.removesuffix(_MASK)
            find, dataset = partial(self._image, name), name.partition("_")[0]
            yield slide_of(name, _PART.sub("", name), find, whole=False, dataset=dataset, mpp=self._mpp(name))

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the objects of an image."""
        file = self.mask_file(slide.id)
        labels = labels_of(file)
        if labels.shape != (slide.height, slide.width):
            shown = f"{labels.shape[1]} x {labels.shape[0]}"
            raise BrokenSource(f"the mask {file.name} has {shown} pixels, its image {slide.width} x {slide.height}")
        kind = self._manifest.get(slide.id, {}).get("object_type") or "object"
        for number, place in enumerate(find_objects(labels), start=1):
            if place is not None:
                rows, columns = place
                outline = shapely.MultiPolygon(trace_polygons(labels[rows, columns] == number))
                moved = translate(outline, columns.start, rows.start)
                yield SourceObject(str(number), kind, moved, f"object {number}")

    def mask_file(self, name: str) -> Path:
        """Tell where the mask of an image lies."""
        return self._tiles / f"{name}{_MASK}"

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return open_pixels(self._image(slide.id)).read(window, side_px)

    def _image(self, name: str) -> Path:
        file = self._tiles / f"{name}.png"
        if not file.is_file():
            raise BrokenSource(f"{file} is missing, though its mask is there")
        return file

    def _mpp(self, name: str) -> float | None:
        """Read microns per pixel, where the manifest tells any that a microscope could have."""
        try:
            found = float(self._manifest.get(name, {}).get("mpp") or 0)
        except ValueError:
            return None
        return found if 0 < found < inf else None


def labels_of(file: Path) -> npt.NDArray[np.int32]:
    """Read a mask, (h, w) int32: 0 is ground, every other value one object.

    Raises
    ------
    BrokenSource
        It is damaged, or no mask.
    """
    try:
        labels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        labels = None
    if labels is None or labels.ndim != 2 or labels.dtype.kind != "u":
        raise BrokenSource(f"the mask {file.name} is damaged, or not a plane of whole numbers")
    return labels.astype(np.int32)


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    file = folder / "manifest.csv"
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return {row["name"]: row for row in csv.DictReader(stream) if row.get("name")}
    except (OSError, ValueError, csv.Error) as error:
        raise BrokenSource(f"{file} cannot be read, and it says what the objects are: {error}.") from error
