"""Loose boxes in training: the window follows them, as in the service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.geometry.masks import extent_of
from training.dataset import Dataset, Item
from training.dataset.folder import Rgb
from training.finetune.loose import LooselyDrawn, loosely_drawn


@dataclass(frozen=True)
class ShowingMasks(Dataset):
    """A dataset whose pixels show the masks."""

    def image(self, item: Item) -> Rgb:
        return np.repeat(self.mask(item).astype(np.uint8)[..., None] * 255, 3, 2)


def test_the_window_of_a_loose_box_is_the_one_that_the_service_would_read(dataset: Dataset) -> None:
    shown = ShowingMasks(dataset.folder, dataset.items, dataset.splits)
    drawn = loosely_drawn(shown, 0.5, seed=1)
    assert isinstance(drawn, LooselyDrawn)
    assert 0.2 < len(drawn.views) / len(dataset.items) < 0.8
    for before, item in zip(dataset.items, drawn.items, strict=True):
        mask = drawn.mask(item)
        assert ((drawn.image(item)[..., 0] > 127) == mask).all()
        if item.id not in drawn.views:
            assert item == before
            continue
        x0, y0, x1, y1 = item.box
        assert abs(max(x1 - x0, y1 - y0) - 512) < 1e-6
        assert abs((x0 + x1) / 2 - 512) + abs((y0 + y1) / 2 - 512) < 1e-6
        left, top, right, bottom = extent_of(mask)
        across, down = right - left, bottom - top
        margins = np.array([(left - x0) / across, (top - y0) / down, (x1 - right) / across, (y1 - bottom) / down])
        assert (margins > 0.03).all()
        assert (margins < 0.22).all()
        assert item.sha256 != before.sha256


def test_some_boxes_lie_anywhere_in_their_windows_and_never_past_them(dataset: Dataset) -> None:
    shown = ShowingMasks(dataset.folder, dataset.items, dataset.splits)
    moved = loosely_drawn(shown, 0.0, seed=1, off_centre=1.0)
    middles = []
    for before, item in zip(dataset.items, moved.items, strict=True):
        mask = moved.mask(item)
        assert ((moved.image(item)[..., 0] > 127) == mask).all()
        x0, y0, x1, y1 = item.box
        assert min(x0, y0) > -1e-6
        assert max(x1, y1) < 1024 + 1e-6
        assert abs(max(x1 - x0, y1 - y0) - 512) < 1e-6
        assert np.abs(np.array(extent_of(mask)) - item.box).max() < 3
        assert item.sha256 != before.sha256
        middles.append(((x0 + x1) / 2 - 512, (y0 + y1) / 2 - 512))
    assert (np.ptp(middles, axis=0) > 100).all()
    some = loosely_drawn(dataset, 0.45, seed=1, off_centre=0.3)
    assert any(one.box == other.box for one, other in zip(some.items, dataset.items, strict=True))


def test_the_same_boxes_are_loose_at_every_call_and_stored_files_are_checked(dataset: Dataset) -> None:
    one, again, other = (loosely_drawn(dataset, 0.5, seed) for seed in (1, 1, 2))
    assert one.items == again.items != other.items
    one.check_files(list(one.items))
    assert loosely_drawn(dataset, 0.0, seed=1).items == dataset.items
