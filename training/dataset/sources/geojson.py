"""GeoJSON as QuPath writes it: one file per image, features in level-0 pixels with y down."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.windows import Window
from training.dataset.sources.files import find_image, open_pixels
from training.dataset.sources.source import SourceObject, SourceSlide
from training.errors import BrokenSource

_SUFFIXES = (".geojson", ".geojson.gz", ".json")
UNCLASSIFIED = "unclassified"


class QuPathFolder:
    """A folder of GeoJSON files and the images that they outline.

    Parameters
    ----------
    folder : Path
        With ``NAME.geojson``; QuPath's own export of annotations or detections, or any like it.
    images : Path, optional
        Where the image of each NAME lies, whatever its suffix; default: the same folder.
    """

    def __init__(self, folder: Path, images: Path | None = None) -> None:
        self._folder, self._images = folder, images or folder
        self._files = {_stem(file): file for file in sorted(folder.iterdir()) if file.name.endswith(_SUFFIXES)}
        if not self._files:
            raise BrokenSource(f"{folder} has no GeoJSON files.")

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._folder.resolve().name

    def slides(self) -> Iterator[SourceSlide]:
        """Go through the files."""
        for stem in self._files:
            pixels = open_pixels(find_image(self._images, stem))
            yield SourceSlide(stem, stem, pixels.width, pixels.height, pixels.mpp)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Go through the features that have an area."""
        file = self._files[slide.id]
        for number, feature in enumerate(_features(file), start=1):
            shape = _geometry(feature, file, number)
            if shape.area > 0:
                yield SourceObject(str(feature.get("id") or number), _classification(feature), shape)

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window."""
        return open_pixels(find_image(self._images, slide.id)).read(window, side_px)


def _stem(file: Path) -> str:
    return next(file.name.removesuffix(suffix) for suffix in _SUFFIXES if file.name.endswith(suffix))


def _features(file: Path) -> list[dict[str, Any]]:
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        found = json.loads(raw)
    except (OSError, ValueError) as error:
        raise BrokenSource(f"{file} is no readable JSON: {error}.") from error
    if isinstance(found, dict):
        found = found.get("features", [found])
    if not isinstance(found, list) or not all(isinstance(feature, dict) for feature in found):
        raise BrokenSource(f"{file} holds no GeoJSON features.")
    return found


def _geometry(feature: dict[str, Any], file: Path, number: int) -> BaseGeometry:
    try:
        shape = shapely.make_valid(shapely.from_geojson(json.dumps(feature.get("geometry"))))
    except (shapely.errors.ShapelyError, TypeError) as error:
        raise BrokenSource(f"Feature {number} of {file} has no readable geometry: {error}.") from error
    return shapely.force_2d(shape)


def _classification(feature: dict[str, Any]) -> str:
    properties = feature.get("properties") or {}
    found = properties.get("classification") or {}
    name = found.get("name") or "/".join(found.get("names") or []) if isinstance(found, dict) else str(found)
    return str(name or UNCLASSIFIED)
