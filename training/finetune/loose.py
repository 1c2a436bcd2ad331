"""Objects around which somebody draws a loose box: the window follows that box, as it does in the service.

A window that stayed where it is would tell how loose its box is: one that takes up half of it would be an exact one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from app.geometry.windows import CONTEXT_FACTOR, MODEL_SIDE_PX
from training.dataset import Dataset, Item
from training.dataset.folder import Rgb
from training.prompts import LOOSENED


@dataclass(frozen=True)
class LooselyDrawn(Dataset):
    """A dataset in which some boxes are loose. An item's `box` is then the drawn one, and not tight."""

    inner: Dataset
    """The stored one."""
    views: dict[str, npt.NDArray[np.float64]]
    """Item id to the (2, 3) map from its stored window to the one around its loose box; both in the model frame."""

    def image(self, item: Item) -> Rgb:
        """Read a window; past what is stored, its last pixels repeat."""
        pixels = self.inner.image(item)
        view = self.views.get(item.id)
        return pixels if view is None else np.asarray(_seen(pixels, view, cv2.BORDER_REPLICATE), np.uint8)

    def mask(self, item: Item) -> BoolMask:
        """Read a mask."""
        mask = self.inner.mask(item)
        view = self.views.get(item.id)
        return mask if view is None else _seen(mask.astype(np.uint8) * 255, view, cv2.BORDER_CONSTANT) > 127

    def check_files(self, items: list[Item]) -> None:
        """Look at the stored files of some items."""
        stored = {item.id: item for item in self.inner.items}
        self.inner.check_files([stored[item.id] for item in items])


def loosely_drawn(dataset: Dataset, share: float, seed: int) -> Dataset:
    """Loosen the boxes of some objects, the same ones at every call.

    Parameters
    ----------
    share : float
        Of the objects.
    """
    items, views = [], {}
    for item in dataset.items:
        rng = np.random.default_rng([seed, int(item.sha256[:12], 16)])
        if rng.random() < share:
            item, views[item.id] = _loosened(item, rng)
        items.append(item)
    return LooselyDrawn(dataset.folder, tuple(items), dataset.splits, dataset, views)


def _loosened(item: Item, rng: np.random.Generator) -> tuple[Item, npt.NDArray[np.float64]]:
    """Draw a loose box, and give the item with it and the view of its window."""
    tight = np.asarray(item.box, np.float64)
    outwards = rng.uniform(*LOOSENED, 4) * np.tile(tight[2:] - tight[:2], 2) * (-1, -1, 1, 1)
    drawn = tight + outwards
    extent = drawn[2:] - drawn[:2]
    scale = MODEL_SIDE_PX / (CONTEXT_FACTOR * float(extent.max()))
    shift = MODEL_SIDE_PX / 2 - scale * (drawn[:2] + drawn[2:]) / 2
    box = drawn * scale + np.tile(shift, 2)
    digest = hashlib.sha256(f"{item.sha256} {drawn.round(3).tolist()}".encode()).hexdigest()
    x_min, y_min, x_max, y_max = (float(side) for side in box)
    return replace(item, box=(x_min, y_min, x_max, y_max), sha256=digest), np.column_stack([np.eye(2) * scale, shift])


def _seen(pixels: npt.NDArray[np.uint8], view: npt.NDArray[np.float64], border: int) -> npt.NDArray[np.uint8]:
    """Move pixels by a view, which counts from pixels' edges; OpenCV counts from their centres."""
    to_centres = view.copy()
    to_centres[:, 2] += 0.5 * view[0, 0] - 0.5
    size = (MODEL_SIDE_PX, MODEL_SIDE_PX)
    return np.asarray(cv2.warpAffine(pixels, to_centres, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)
