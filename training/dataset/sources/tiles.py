"""A folder of images with instance masks: ``NAME.png`` beside ``NAME.mask.png``, and what ``manifest.csv`` tells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
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
from training.dataset.sources.source import SourceObject, SourceSlide
from training.errors import BrokenSource

_PART = re.compile(r"(?<=\d)[a-z]$")
"""Names that differ by this letter alone are parts of one field."""


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

    def slides(self) -> Iterator[SourceSlide]:
        """Go through the images."""
        for mask in sorted(self._tiles.glob("*.mask.png")):
            name = mask.name.removesuffix(".mask.png")
            pixels = open_pixels(self._image(name))
            mpp = self._manifest.get(name, {}).get("mpp")
            group = _PART.sub("", name)
            yield SourceSlide(
                name,
                group,
                pixels.width,
                pixels.height,
                float(mpp) if mpp else pixels.mpp,
                whole=False,
                dataset=name.partition("_")[0],
            )

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Go through the objects of an image."""
        file = self._tiles / f"{slide.id}.mask.png"
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if labels is None or labels.ndim != 2 or labels.shape != (slide.height, slide.width):
            raise BrokenSource(f"The mask {file} is damaged, or not of the size of its image.")
        kind = self._manifest.get(slide.id, {}).get("object_type") or "object"
        for number, place in enumerate(find_objects(labels.astype(np.int32)), start=1):
            if place is not None:
                rows, columns = place
                outline = shapely.MultiPolygon(trace_polygons(labels[rows, columns] == number))
                yield SourceObject(str(number), kind, translate(outline, columns.start, rows.start))

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return open_pixels(self._image(slide.id)).read(window, side_px)

    def _image(self, name: str) -> Path:
        file = self._tiles / f"{name}.png"
        if not file.is_file():
            raise BrokenSource(f"{file} is missing, though its mask is there.")
        return file


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    file = folder / "manifest.csv"
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream) if row.get("name")}
