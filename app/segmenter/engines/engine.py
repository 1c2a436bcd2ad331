"""What runs a model: the door that every engine fulfils, and what they share."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires, version
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.segmenter.embedding import Features

Pixels = npt.NDArray[np.uint8]
"""(h, w, 3) uint8, RGB."""
FloatArray = npt.NDArray[np.float32]

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's statistics, RGB in [0, 1]; source: the package's transforms."""


def torch_version() -> str:
    """Tell which torch makes the traces, by which files of the engine folder are named.

    The builds of one release trace alike, so the part after the plus (``+cpu``) is left out. An image without torch
    reads what an image of the same release of ours has made.
    """
    try:
        return version("torch").partition("+")[0]
    except PackageNotFoundError:
        return pinned_torch()


def pinned_torch() -> str:
    """Read from our own metadata which torch this release is made for."""
    return next(
        line.partition("==")[2] for line in requires("cytomine-refine-service") or () if line.startswith("torch==")
    ).partition(";")[0]


class Engine(Protocol):
    """Runs the encoder and the decoder of one checkpoint. Safe to call from several threads."""

    @property
    def side_px(self) -> int:
        """Side of the square that the encoder sees."""
        ...

    @property
    def device_bytes(self) -> int:
        """Memory taken on a GPU."""
        ...

    def warm_up(self) -> None:
        """Make what would be made lazily, so that no user waits for it, and give back what only loading needed."""
        ...

    def encode(self, windows: list[Pixels]) -> list[Features]:
        """Encode a batch of windows of any size, squashed to the encoder's square.

        Raises
        ------
        DeviceOutOfMemory
            Try again later.
        """
        ...

    def decode(
        self, features: Features, coordinates: FloatArray, labels: npt.NDArray[np.int32]
    ) -> tuple[FloatArray, FloatArray]:
        """Run the prompt encoder and the mask decoder, for several objects of one window at a time.

        Parameters
        ----------
        features : Features
            From any engine of the same weights.
        coordinates : (b, n, 2) float32
            Encoder pixels, as indices of pixels; a row for each object.
        labels : (b, n) int32
            0 background, 1 foreground, 2 and 3 the first and the second corner of the box.

        Returns
        -------
        (b, 4, s/4, s/4) float32, (b, 4) float32
            Of each object, raw values over the window of the single-mask token's mask, then of three proposals, and
            the model's estimate of each one's IoU.

        Raises
        ------
        DeviceOutOfMemory
            Try again later.
        """
        ...


def corners_of(side_px: int) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Give the prompts of a box in the middle, as `Engine.decode` takes them."""
    places = np.array([[[side_px / 4, side_px / 4], [3 * side_px / 4, 3 * side_px / 4]]], np.float32)
    return places, np.array([[2, 3]], np.int32)


def normalised(pixels: Pixels, side_px: int) -> FloatArray:
    """Squash a window to the encoder's square: bilinear, antialiased, as the package does it.

    Returns
    -------
    (1, 3, s, s) float32
        Of ImageNet's mean and deviation.
    """
    planes = np.empty((1, 3, side_px, side_px), np.float32)
    for at in range(3):
        plane = pixels[:, :, at].astype(np.float32)
        if plane.shape != (side_px, side_px):
            resized = Image.fromarray(plane).resize((side_px, side_px), Image.Resampling.BILINEAR)
            plane = np.asarray(resized)
        np.multiply(plane, 1 / (255 * STD[at]), out=planes[0, at])
        planes[0, at] -= MEAN[at] / STD[at]
    return planes
