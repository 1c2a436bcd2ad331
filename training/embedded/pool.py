"""The scenes at hand: their pixels on the device, and a table of their objects on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.embedded.recipe import SHARES
from training.tissue import Scene

REAL = "real"
"""What the kinds of real scenes begin with."""
_WHOLLY_OUTLINED = frozenset({"nuclei", "crowd", "blobs"})
"""Kinds whose ground holds nothing that somebody could ask for; glands lie among nuclei that have no outline."""
CELL_PX = 8
"""Side of the cells that a scene's ground is kept in."""

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Listed:
    """What the host knows of a scene."""

    kind: str
    extent: tuple[int, int]
    """Width and height, pixels."""
    numbers: npt.NDArray[np.int64]
    """(n,): labels of the objects that may be asked for."""
    boxes: Floats
    """(n, 4): their tight boxes, pixels of the scene."""
    taken: npt.NDArray[np.bool_]
    """(h / CELL_PX, w / CELL_PX): cells that hold part of any object."""

    @property
    def has_ground(self) -> bool:
        """Whether what is not outlined holds no object."""
        return self.kind in _WHOLLY_OUTLINED


class Pool:
    """Scenes at hand.

    Parameters
    ----------
    places : int
        For scenes.
    side : int
        Of the largest one, pixels.
    device : torch.device
        Holds 5 bytes a pixel.
    """

    def __init__(self, places: int, side: int, device: torch.device) -> None:
        self.images = torch.zeros((places, 3, side, side), dtype=torch.uint8, device=device)
        self.labels = torch.zeros((places, side, side), dtype=torch.int16, device=device)
        self.listed: list[Listed | None] = [None] * places
        self._by_kind: dict[str, list[int]] = {}

    @property
    def side(self) -> int:
        """Of the largest scene that fits, pixels."""
        return int(self.images.shape[-1])

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self.images.device

    def put(self, place: int, scene: Scene) -> None:
        """Lay a scene into a place, whatever was there before."""
        height, width = scene.labels.shape
        self.images[place, :, :height, :width] = torch.from_numpy(scene.image).permute(2, 0, 1).to(self.device)
        self.labels[place, :height, :width] = torch.from_numpy(scene.labels.astype(np.int16)).to(self.device)
        kind = scene.objects[0].kind if scene.objects else ""
        self.listed[place] = Listed(
            kind,
            (width, height),
            np.array([each.label for each in scene.objects], np.int64),
            np.array([(each.x0, each.y0, each.x1, each.y1) for each in scene.objects], np.float64).reshape(-1, 4),
            _taken(scene),
        )
        self._by_kind = {}
        for at, listed in enumerate(self.listed):
            if listed is not None and listed.kind:
                self._by_kind.setdefault(listed.kind, []).append(at)

    def choose(self, rng: Rng, real: float) -> int:
        """Choose a place: real tissue, where there is any, so often, its kinds alike; else drawn kinds in shares."""
        kinds = [kind for kind in SHARES if kind in self._by_kind]
        real_kinds = [kind for kind in self._by_kind if kind.startswith(REAL)]
        if real_kinds and (not kinds or rng.random() < real):
            return int(rng.choice(self._by_kind[real_kinds[int(rng.integers(len(real_kinds)))]]))
        weights = np.array([SHARES[kind] for kind in kinds])
        return int(rng.choice(self._by_kind[kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]]))

    def of(self, place: int) -> Listed:
        """Give what is known of the scene of a place."""
        found = self.listed[place]
        if found is None:
            raise IndexError(f"no scene lies in place {place}")
        return found

    def pixels(
        self, places: npt.NDArray[np.int64], corners: npt.NDArray[np.int64], length: int
    ) -> tuple[Tensor, Tensor]:
        """Read squares of scenes; of no use past their extents.

        Parameters
        ----------
        corners : (n, 2)
            x and y of the first pixel of each.

        Returns
        -------
        images : (n, 3, length, length) uint8
        labels : (n, length, length) int16
        """
        device = self.device
        rows = torch.from_numpy(places).to(device)[:, None, None]
        across, down = (torch.from_numpy(corners[:, axis]).to(device)[:, None] for axis in (0, 1))
        columns = (across + torch.arange(length, device=device))[:, None, :]
        lines = (down + torch.arange(length, device=device))[:, :, None]
        channels = torch.arange(3, device=device)[None, :, None, None]
        return self.images[rows[:, None], channels, lines[:, None], columns[:, None]], self.labels[rows, lines, columns]


def _taken(scene: Scene) -> npt.NDArray[np.bool_]:
    """Reduce the labels to cells."""
    height, width = (-(-extent // CELL_PX) * CELL_PX for extent in scene.labels.shape)
    whole = np.zeros((height, width), np.bool_)
    whole[: scene.labels.shape[0], : scene.labels.shape[1]] = scene.labels > 0
    return np.asarray(whole.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX).any((1, 3)))
