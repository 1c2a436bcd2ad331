"""Objects around which somebody draws a loose box: the window follows that box, as it does in the service.

A window that stayed where it is would tell how loose its box is: one that takes up half of it would be an exact one.
And one that always has its box in the middle would teach nothing of objects at a slide's edge, where the service moves
the window onto the slide (decision 0080).
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
    """A dataset in which some boxes are loose or off the middle. An item's `box` is then the drawn one."""

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


def loosely_drawn(dataset: Dataset, share: float, seed: int, off_centre: float = 0.0) -> Dataset:
    """Loosen the boxes of some objects, and move the windows of some, the same ones at every call.

    Parameters
    ----------
    share : float
        Of the objects whose boxes are loose.
    off_centre : float
        Of those whose box lies anywhere in its window.
    """
    items, views = [], {}
    for item in dataset.items:
        rng = np.random.default_rng([seed, int(item.sha256[:12], 16)])
        drawn = _loosened(item, rng) if rng.random() < share else None
        if rng.random() < off_centre:
            box = np.asarray(item.box, np.float64) if drawn is None else drawn
            item, views[item.id] = _seen_around(item, box, rng.uniform(-1, 1, 2))
        elif drawn is not None:
            item, views[item.id] = _seen_around(item, drawn, np.zeros(2))
        items.append(item)
    return LooselyDrawn(dataset.folder, tuple(items), dataset.splits, dataset, views)


def _loosened(item: Item, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw a loose box, (4,), in the stored window's frame."""
    tight = np.asarray(item.box, np.float64)
    return tight + rng.uniform(*LOOSENED, 4) * np.tile(tight[2:] - tight[:2], 2) * (-1, -1, 1, 1)


def _seen_around(
    item: Item, drawn: npt.NDArray[np.float64], place: npt.NDArray[np.float64]
) -> tuple[Item, npt.NDArray[np.float64]]:
    """Give the item with a drawn box, and the view of the window around it.

    `place` is where in the window the box lies, across and down: 0 in the middle, 1 and -1 at an edge.
    """
    extent = drawn[2:] - drawn[:2]
    scale = MODEL_SIDE_PX / (CONTEXT_FACTOR * float(extent.max()))
    room = (MODEL_SIDE_PX - scale * extent) / 2
    shift = MODEL_SIDE_PX / 2 - scale * (drawn[:2] + drawn[2:]) / 2 + place * room
    box = drawn * scale + np.tile(shift, 2)
    digest = hashlib.sha256(
        f"{item.sha256} {[*drawn.round(3).tolist(), *place.round(3).tolist()]}".encode()
    ).hexdigest()
    x_min, y_min, x_max, y_max = (float(side) for side in box)
    return replace(item, box=(x_min, y_min, x_max, y_max), sha256=digest), np.column_stack([np.eye(2) * scale, shift])


def _seen(pixels: npt.NDArray[np.uint8], view: npt.NDArray[np.float64], border: int) -> npt.NDArray[np.uint8]:
    """Move pixels by a view, which counts from pixels' edges; OpenCV counts from their centres."""
    to_centres = view.copy()
    to_centres[:, 2] += 0.5 * view[0, 0] - 0.5
    size = (MODEL_SIDE_PX, MODEL_SIDE_PX)
    return np.asarray(cv2.warpAffine(pixels, to_centres, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)
