"""Simulated people, and windows seen otherwise: both on the device, a batch at a time."""

from __future__ import annotations

import numpy as np
import torch

from training.clicks import FAR_OFF, NO_CLICK, click_on_error, redrawn, with_click
from training.models import PromptBatch
from training.views import View, recoloured, view_of

SIDE = 256


def square(x0: int, y0: int, x1: int, y1: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., y0:y1, x0:x1] = 1
    return mask


def logits_of(mask: torch.Tensor) -> torch.Tensor:
    return 10 * (torch.nn.functional.avg_pool2d(mask, 4)[:, 0] - 0.5)


def test_a_click_lies_in_the_middle_of_the_largest_error() -> None:
    truth = torch.cat([square(40, 40, 200, 200)] * 3)
    found = torch.cat([square(40, 40, 120, 200), square(40, 40, 240, 200), square(40, 40, 200, 200)])
    for seed in range(5):
        rng = np.random.default_rng(seed)
        places, labels = click_on_error(logits_of(found), truth, SIDE, rng, middle=1.0)
        assert labels.tolist() == [1, 0, NO_CLICK]
        assert 145 < places[0, 0] < 175  # the right half was missed
        assert 210 < places[1, 0] < 230  # a strip was taken too much


def test_other_clicks_lie_anywhere_in_an_error() -> None:
    truth, found = torch.cat([square(40, 40, 200, 200)] * 400), torch.cat([square(40, 40, 120, 200)] * 400)
    places, labels = click_on_error(logits_of(found), truth, SIDE, np.random.default_rng(0), middle=0.0)
    assert (labels == 1).all()
    assert (places[:, 0] >= 119).all()
    assert (places[:, 0] < 130).any()
    assert (places[:, 0] > 190).any()


def test_a_box_goes_only_where_a_click_says_what_is_object() -> None:
    count = 200
    prompts = PromptBatch(
        torch.zeros(count, 4), torch.ones(count, dtype=torch.bool), torch.zeros(count, 0, 2),
        torch.zeros(count, 0, dtype=torch.int32),
    )  # fmt: skip
    labels = torch.tensor([1, 0, NO_CLICK, 1] * (count // 4), dtype=torch.int32)
    clicked = with_click(prompts, torch.ones(count, 2), labels, np.random.default_rng(0), box_kept=0.5)
    assert clicked.points.shape == (count, 1, 2)
    assert clicked.boxed[labels != 1].all()
    assert 20 < int(clicked.boxed[labels == 1].sum()) < 80


def test_far_off_boxes_are_some_and_not_all() -> None:
    boxes = torch.tensor([[50.0, 60.0, 150.0, 200.0]]).repeat(300, 1)
    moved = redrawn(boxes, 0.2, FAR_OFF, np.random.default_rng(0))
    far = (moved != boxes).any(1)
    assert 30 < int(far.sum()) < 90
    assert float((boxes[:, 0] - moved[:, 0]).max()) <= 45
    assert float((boxes[:, 0] - moved[:, 0]).min()) >= -10


def test_a_view_turns_pixels_and_prompts_alike() -> None:
    for number in range(8):
        view = View(bool(number & 1), bool(number & 2), bool(number & 4), SIDE)
        mask = view.of_maps(square(20, 60, 90, 110))[0, 0]
        ys, xs = torch.nonzero(mask, as_tuple=True)
        box = view.of_boxes(torch.tensor([[20.0, 60.0, 90.0, 110.0]]))[0]
        assert box.tolist() == [float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)]
        place = view.of_places(torch.tensor([[25.5, 100.5]]))[0]
        assert mask[int(place[1]), int(place[0])] == 1
    assert len({(view.transposed, view.mirrored, view.upside_down) for view in map(seeded, range(60))}) == 8


def seeded(number: int) -> View:
    return view_of(np.random.default_rng(number), SIDE)


def test_colours_change_and_stay_colours() -> None:
    image = torch.randint(0, 255, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = image.repeat(64, 1, 1, 1)
    found = recoloured(images, np.random.default_rng(0))
    assert found.shape == images.shape
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    moved = (found - images.float()).abs().mean((1, 2, 3))
    assert int((moved > 3).sum()) > 32
    assert torch.equal(found, recoloured(images, np.random.default_rng(0)))
