"""Scenes of real tissue, from any folder of images with instance masks, or from a dataset folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.geometry.windows import Region, Window
from training.dataset import open_dataset
from training.dataset.folder import ITEMS
from training.dataset.sources.source import SourceSlide
from training.dataset.sources.tiles import TilesFolder, labels_of
from training.embedded.pool import REAL
from training.tissue import Scene
from training.tissue.nuclei import Labels
from training.tissue.scenes import objects_of
from training.tissue.stains import Rgb

_WINDOW_PX = 512
"""Windows of a dataset are kept so large: the model sees half of it."""
_LARGEST_PX = 768
"""Larger images come in parts, so that those at hand need no more room than they fill."""
_PART_PX, _STEP_PX = 640, 480


def real_scenes(
    folders: Collection[Path], leave_out: Collection[str] = (), only: Collection[str] | None = None
) -> list[Scene]:
    """Read every image, with what is outlined in it.

    Parameters
    ----------
    folders : collection of Path
        Folders of images with instance masks, whose objects are asked for in windows of any place; or dataset folders,
        of whose train side each window is a scene with one object. Each folder is a kind of tissue of its own.
    leave_out : collection of str
        Images, by name, that are passed over.
    only : collection of str, optional
        Images, by name, that are read; None: all of them.

    Raises
    ------
    BrokenSource, BrokenDataset
        A folder cannot be read.
    """
    named = _Named(leave_out, only)
    found = [scene for number, folder in enumerate(folders) for scene in _read(folder, named, f"{REAL} {number}")]
    return [scene for scene in found if scene.objects]


@dataclass(frozen=True, slots=True)
class _Named:
    leave_out: Collection[str]
    only: Collection[str] | None

    def __call__(self, name: str) -> bool:
        return name not in self.leave_out and (self.only is None or name in self.only)


def _read(folder: Path, named: _Named, kind: str) -> Iterator[Scene]:
    if (folder / ITEMS).is_file():
        yield from _of_dataset(folder, named, kind)
        return
    source = TilesFolder(folder)
    for slide in source.slides():
        if isinstance(slide, SourceSlide) and named(slide.id):
            side = max(slide.width, slide.height)
            whole = Window(0, 0, side, Region(0, 0, slide.width, slide.height))
            labels = labels_of(source.mask_file(slide.id))
            yield from _parts(source.pixels(slide, whole, side), labels, kind)


def _parts(image: Rgb, labels: Labels, kind: str) -> Iterator[Scene]:
    """Give an image as a scene, or as several that overlap.

    An image is a slide: what its edge cuts is asked for as it is there. What only the edge of a part cuts is not.
    """
    height, width = labels.shape
    size = _PART_PX if max(height, width) > _LARGEST_PX else _LARGEST_PX
    for top in _corners(height, size):
        for left in _corners(width, size):
            place = slice(top, top + size), slice(left, left + size)
            part = np.ascontiguousarray(labels[place])
            yield Scene(
                np.ascontiguousarray(image[place]), part, tuple(objects_of(part, kind, cut=part.shape == labels.shape))
            )


def _corners(extent: int, size: int) -> list[int]:
    return [0] if extent <= size else [*range(0, extent - size, _STEP_PX), extent - size]


def _of_dataset(folder: Path, named: _Named, kind: str) -> Iterator[Scene]:
    dataset = open_dataset(folder)
    size = (_WINDOW_PX, _WINDOW_PX)
    for item in dataset.of("train"):
        if named(item.slide.rpartition("/")[2]):
            image = cv2.resize(dataset.image(item), size, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(dataset.mask(item).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            labels = mask.astype(np.int32)
            yield Scene(np.asarray(image, np.uint8), labels, tuple(objects_of(labels, kind)))
