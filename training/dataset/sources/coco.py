"""COCO: one JSON file with images, categories and annotations; polygons or run lengths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from app.geometry.windows import Window
from training.dataset.sources.files import open_pixels
from training.dataset.sources.source import SourceObject, SourceSlide
from training.errors import BrokenSource


class CocoFile:
    """A COCO annotation file and its images.

    Parameters
    ----------
    file : Path
        The JSON file. Crowds (``iscrowd`` 1) are left out: they are no single object.
    images : Path, optional
        What ``file_name`` is relative to; default: the file's folder.
    """

    def __init__(self, file: Path, images: Path | None = None) -> None:
        self._file, self._images = file, images or file.parent
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            self._slides = {str(image["id"]): image for image in content["images"]}
            self._categories = {each["id"]: str(each["name"]) for each in content.get("categories", [])}
            self._annotations: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for each in content["annotations"]:
                self._annotations[str(each["image_id"])].append(each)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BrokenSource(f"{file} is no COCO annotation file: {type(error).__name__} {error}.") from error

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self._file.stem

    def slides(self) -> Iterator[SourceSlide]:
        """Go through the images that have annotations."""
        for number in self._slides:
            if self._annotations[number]:
                pixels = open_pixels(self._image(number))
                yield SourceSlide(number, number, pixels.width, pixels.height, pixels.mpp, whole=False)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Go through the annotations of an image."""
        for each in self._annotations[slide.id]:
            if each.get("iscrowd"):
                continue
            try:
                shape = _shape(each["segmentation"])
            except (KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
                raise BrokenSource(f"Annotation {each.get('id')} of {self._file} is unreadable: {error}.") from error
            if shape.area > 0:
                yield SourceObject(str(each["id"]), self._categories.get(each.get("category_id"), "object"), shape)

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return open_pixels(self._image(slide.id)).read(window, side_px)

    def _image(self, number: str) -> Path:
        return self._images / str(self._slides[number]["file_name"])


def _shape(segmentation: Any) -> BaseGeometry:
    """Read a list of polygons, or run lengths down the columns."""
    if isinstance(segmentation, list):
        rings = [np.reshape(np.asarray(ring, np.float64), (-1, 2)) for ring in segmentation]
        return shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings if len(ring) >= 3])
    height, width = segmentation["size"]
    counts = segmentation["counts"]
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool)
    if values.size != height * width:
        raise ValueError("its run lengths do not fill the image")
    return shapely.MultiPolygon(trace_polygons(np.ascontiguousarray(values.reshape(width, height).T)))


def _decompressed(text: str) -> list[int]:
    """Decode COCO's compressed run lengths: five bits a character, each run from the fourth on told by its change."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii"):
        bits = character - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs
