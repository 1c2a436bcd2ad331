"""Windows from which an int8 encoder takes its ranges, and others on which it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.errors import InvalidSettings
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.engines.tissue import drawn_tissue

_MOST = 64
_DRAWN_SIDE_PX = 1024
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Calibration:
    """Windows in two halves that share none."""

    taken: tuple[WindowImage, ...]
    """For the ranges."""
    held_out: tuple[WindowImage, ...]
    """For the check."""


def read_calibration(folder: Path | None) -> Calibration:
    """Read windows from the images of a folder, or draw some.

    Parameters
    ----------
    folder : Path, optional
        Holds images (PNG, JPEG, TIFF) as the model sees them: an object in the middle, twice its size wide. The first
        64 by name count.

    Raises
    ------
    InvalidSettings
        There are fewer than four images, or one cannot be read.
    """
    if folder is None:
        return _halves([drawn_tissue(seed, _DRAWN_SIDE_PX) for seed in range(_MOST // 4)])
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)[:_MOST]
    if len(files) < 4:
        raise InvalidSettings(f"{folder} holds {len(files)} images; calibration needs four at least.")
    return _halves([_read(file) for file in files])


def _halves(windows: list[WindowImage]) -> Calibration:
    return Calibration(tuple(windows[::2]), tuple(windows[1::2]))


def _read(file: Path) -> WindowImage:
    try:
        with Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))
    except OSError as error:
        raise InvalidSettings(f"{file} cannot be read as an image: {error}.") from error
    return WindowImage(pixels, WindowGrid(0, 0, 1, 1))
