"""COCO: one JSON file with images, categories and annotations; polygons or run lengths.

What contradicts itself is refused by name, never guessed at: two images of one number, an image of another size than
the file says, run lengths that do not fill it, a box beside its outline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.contours import trace_polygons
from app.geometry.windows import Window
from training.dataset.shapes import Unusable, number_of
from training.dataset.sources.files import open_pixels
from training.dataset.sources.images import slide_of
from training.dataset.sources.reading import read_json
from training.dataset.sources.run_lengths import mask_of_runs
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource

_BESIDE = ("", "images", "../images")
"""Where the images of an annotation file lie, as tools pack them."""


class CocoFile:
    """A COCO annotation file and its images.

    Parameters
    ----------
    file : Path
        The JSON file. Crowds (``iscrowd`` 1) are left out: they are no single object.
    images : Path, optional
        What ``file_name`` is relative to; default: the file's folder, or ``images`` in it or beside it.
    """

    def __init__(self, file: Path, images: Path | None = None) -> None:
        self._file = file
        self._homes = [images] if images else [file.parent / beside for beside in _BESIDE]
        if not file.is_file():
            raise BrokenSource(f"There is no file {file}.")
        try:
            content = read_json(file)
        except BrokenSource as error:
            raise BrokenSource(f"{file} is not a COCO annotation file: {error}.") from error
        if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
            raise BrokenSource(f"{file} is not a COCO annotation file: it has no list of annotations.")
        self._images, self._bad_images = _images(content.get("images"))
        self._categories = _categories(content.get("categories"))
        self._annotations: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self._lost: list[Refused] = []
        self._as_stored: set[str] = set()
        for number, each in enumerate(content["annotations"], start=1):
            self._sort_in(number, each)

    def _sort_in(self, number: int, each: Any) -> None:
        """Put an annotation to its image, or say why there is none."""
        image = _id(each.get("image_id")) if isinstance(each, dict) else None
        if image is not None and image in self._images:
            self._annotations.setdefault(str(self._images[image]["file_name"]), []).append((number, each))
        elif image is not None and image in self._bad_images:
            self._lost.append(Refused(f"annotation {number}", f"its image {image} {self._bad_images[image]}"))
        elif isinstance(each, dict):
            self._lost.append(Refused(_what(number, each), "the file lists no image for it"))
        else:
            self._lost.append(Refused(f"annotation {number}", "it is not a record"))

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self._file.stem

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self._file.resolve())

    def count(self) -> int:
        """How many images have annotations."""
        return len(self._annotations) + len(self._lost)

    def slides(self) -> Iterator[SourceSlide | Refused]:
        """Go through the images that have annotations."""
        yield from self._lost
        records = {str(image["file_name"]): image for image in self._images.values()}
        for name in self._annotations:
            slide = slide_of(name, name, partial(self._image_file, name), whole=False)
            yield self._checked(slide, records[name]) if isinstance(slide, SourceSlide) else slide

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through the annotations of an image."""
        for number, each in self._annotations[slide.id]:
            what = f"{slide.id}, {_what(number, each)}"
            if each.get("iscrowd"):
                yield Passed(what, "it is a crowd, not a single object")
                continue
            try:
                shape = _shape(each.get("segmentation"), slide)
                _check_box(each.get("bbox"), shape)
                kind = self._category(each)
            except Unusable as error:
                yield Refused(what, str(error))
            else:
                yield SourceObject(_id(each.get("id")) or "", kind, shape, f"annotation {number}")

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        turned = slide.id not in self._as_stored
        return open_pixels(self._image_file(slide.id), turned=turned).read(window, side_px)

    def _checked(self, slide: SourceSlide, image: dict[str, Any]) -> SourceSlide | Refused:
        """Take an image as the file's size says that it lies; refuse one of another size."""
        told, shown = (image.get("width"), image.get("height")), (slide.width, slide.height)
        if None in told or told == shown:
            return slide
        if told == shown[::-1]:  # as it is stored, where it says that it should be turned
            stored = open_pixels(self._image_file(slide.id), turned=False)
            if told == (stored.width, stored.height):
                self._as_stored.add(slide.id)
                return replace(slide, width=stored.width, height=stored.height)
        why = f"the file says {told[0]} x {told[1]}, and the image has {slide.width} x {slide.height}"
        return Refused(slide.id, why, slide.group)

    def _image_file(self, name: str) -> Path:
        for home in self._homes:
            for spelt in (name, PurePosixPath(name.replace("\\", "/")).as_posix()):
                if (home / spelt).is_file():
                    return home / spelt
        raise BrokenSource(f"{self._homes[0]} has no image {name}")

    def _category(self, each: dict[str, Any]) -> str:
        found = _id(each.get("category_id"))
        if found is None or not self._categories:
            return "object"
        if found not in self._categories:
            raise Unusable(f"the file has no category {found}")
        return self._categories[found]


def _id(value: Any) -> str | None:
    """Give a number or a text as a text: 7 and "7" are the same."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _what(number: int, each: dict[str, Any]) -> str:
    own = _id(each.get("id"))
    return f"annotation {number}" + (f" (id {own})" if own is not None else "")


def _images(found: Any) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Sort the images by number; and those that cannot be used, with what is wrong with them."""
    named: dict[str, dict[str, Any]] = {}
    bad: dict[str, str] = {}
    for each in found if isinstance(found, list) else []:
        number = _id(each.get("id")) if isinstance(each, dict) else None
        if number is None:
            continue
        if named.setdefault(number, each) != each:
            bad[number] = "is in the file twice, with different values"
        if not isinstance(each.get("file_name"), str) or not each["file_name"]:
            bad[number] = "has no file_name"
    return {number: each for number, each in named.items() if number not in bad}, bad


def _categories(found: Any) -> dict[str, str]:
    records = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {number: str(each["name"]) for each in records if "name" in each and (number := _id(each.get("id")))}


def _shape(segmentation: Any, slide: SourceSlide) -> BaseGeometry:
    """Read a list of rings, or run lengths."""
    if isinstance(segmentation, dict):
        polygons = trace_polygons(mask_of_runs(segmentation, slide.width, slide.height))
        if not polygons:
            raise Unusable("its run lengths are empty")
        return shapely.MultiPolygon(polygons)
    if not isinstance(segmentation, list) or not segmentation:
        raise Unusable("it has no outline, only a box" if segmentation in (None, []) else "its outline is not a list")
    return shapely.MultiPolygon([shapely.Polygon(_ring(ring)) for ring in segmentation])


def _ring(values: Any) -> npt.NDArray[np.float64]:
    if not isinstance(values, list):
        raise Unusable("its outline is not a list of rings")
    if len(values) < 6 or len(values) % 2:
        raise Unusable("a ring is not x, y, x, y ... with three vertices or more")
    return np.array([number_of(value) for value in values], np.float64).reshape(-1, 2)


def _check_box(box: Any, shape: BaseGeometry) -> None:
    """Refuse an outline that lies beside its own box."""
    if box is None:
        return
    if not isinstance(box, list) or len(box) != 4:
        raise Unusable("its box is not x, y, width, height")
    left, top, width, height = (number_of(value) for value in box)
    x_min, y_min, x_max, y_max = shape.bounds
    if x_min > left + width or x_max < left or y_min > top + height or y_max < top:
        raise Unusable("its outline lies beside its own box")
