"""The encoder's output for one window, on whatever device it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt


class Level(Protocol):
    """Features at one resolution, (1, c, h, w) float32: an array on the CPU, a tensor on a GPU."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        ...


Features = tuple[Level, ...]
"""(1, c/8, s/4, s/4), (1, c/4, s/8, s/8) and (1, c, s/16, s/16): finest first, coarsest last."""


@dataclass(frozen=True, slots=True, eq=False)
class Sam2Embedding:
    """The encoder's output for one window. What lies on the CPU can be pickled and shared without a copy."""

    features: Features
    window_size: tuple[int, int]
    """(columns, rows) of the window's array."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes, on the device."""
        return sum(int(level.nbytes) for level in self.features)

    def on_host(self) -> Sam2Embedding:
        """Give the same embedding as arrays, for a file or another process; every engine of the weights takes it."""
        return Sam2Embedding(tuple(_as_array(level) for level in self.features), self.window_size)


def compared(embedding: Sam2Embedding) -> npt.NDArray[np.float32]:
    """Put all levels at the middle one's resolution together, each of them of length 1 at every place.

    Returns
    -------
    (c, h, w) float32
        Over the window.
    """
    finest, finer, coarsest = (np.asarray(level)[0] for level in embedding.on_host().features)
    rows, columns = finer.shape[1:]
    parts = [finest.reshape(len(finest), rows, 2, columns, 2).mean((2, 4)), finer, _enlarged(coarsest, rows, columns)]
    return np.concatenate([part / (np.linalg.norm(part, axis=0) + 1e-6) for part in parts]).astype(np.float32)


def _enlarged(level: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """Enlarge all planes bilinearly, as products: a call for each would take twenty times as long."""
    down, across = (
        cv2.resize(np.eye(size, dtype=np.float32), (size, wanted), interpolation=cv2.INTER_LINEAR)
        for size, wanted in zip(level.shape[1:], (rows, columns), strict=True)
    )
    return np.asarray(down @ level @ across.T, np.float32)


def _as_array(level: Any) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = level if isinstance(level, np.ndarray) else level.cpu().numpy()
    return array
