"""Simulated people, and windows seen otherwise: both on the device, a batch at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.weights.choice import EMBEDDED_MODEL
from training.clicks import FAR_OFF, NO_CLICK, click_on_error, depth_of, redrawn, with_click
from training.finetune.corrections import corrected_loss
from training.finetune.recipe import Recipe
from training.models import Embeddings, PromptBatch, Sam2, chosen
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


def test_depth_counts_the_cells_to_the_nearest_other_one() -> None:
    places = torch.zeros(2, 40, 50, dtype=torch.bool)
    places[0, 5:12, 20:31] = True
    places[0, 30, 3] = True
    places[1] = True
    depth = depth_of(places)
    assert depth[0, 5:12, 20:31].tolist() == [
        [float(min(row + 1, 7 - row, column + 1, 11 - column)) for column in range(11)] for row in range(7)
    ]
    assert depth[0, 30, 3] == 1
    assert float(depth[0].sum()) == float(depth[0, 5:12, 20:31].sum()) + 1
    assert depth[1, 0, 0] == 1
    assert depth[1].max() == depth[1, 20, 25] == 17  # wider errors count as equally wide


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


class Watched(Sam2):
    """Notes what it is asked, and what it answers."""

    asked: list[PromptBatch]
    answered: list[torch.Tensor]

    def decode(self, embeddings: Embeddings, prompts: PromptBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer as ever."""
        logits, scores = super().decode(embeddings, prompts)
        self.asked.append(prompts)
        self.answered.append(chosen(logits.detach(), scores.detach())[0])
        return logits, scores


@pytest.mark.parametrize("single", [0.0, 0.5])
def test_rounds_click_on_the_models_own_errors_and_teach_the_single_mask_if_asked(single: float) -> None:
    model = Watched(load_checkpoint(EMBEDDED_MODEL, "embedded"))
    model.asked, model.answered = [], []
    model.freeze("decoder", 1)
    truth = torch.cat([square(60, 60, 180, 200), square(100, 40, 220, 160)])
    with torch.no_grad():
        embeddings = model.encode(truth.expand(-1, 3, -1, -1) * 255)
    boxes = torch.tensor([[60.0, 60, 180, 200], [100, 40, 220, 160]])
    nothing = torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.int32)
    prompts = PromptBatch(boxes, torch.ones(2, dtype=torch.bool), *nothing)
    recipe = Recipe(rounds=2, single=single, loosened=0.0, far_off=1.0)
    loss = corrected_loss(model, recipe, embeddings, prompts, truth, np.random.default_rng(0))
    torch.autograd.backward(loss)
    assert [asked.points.shape[1] for asked in model.asked] == [0, 1, 2]
    assert not torch.equal(model.asked[0].boxes, boxes)
    for answer, asked in zip(
        model.answered, model.asked[1:], strict=False
    ):  # a click follows every answer but the last
        found = torch.nn.functional.interpolate(answer[:, None], (SIDE, SIDE), mode="bilinear")[:, 0] > 0
        for row, ((x, y), label) in enumerate(zip(asked.points[:, -1], asked.labels[:, -1], strict=True)):
            if label != NO_CLICK:
                place = np.s_[row, max(0, int(y) - 3) : int(y) + 4, max(0, int(x) - 3) : int(x) + 4]
                wanted = truth[:, 0][place] > 0.5
                assert bool(((found[place] != wanted) & (wanted == bool(label))).any())
    learned = dict(model.network.named_parameters())
    for token, learns in ((0, single > 0), (1, True)):
        gradient = learned[f"sam_mask_decoder.output_hypernetworks_mlps.{token}.layers.0.weight"].grad
        assert (gradient is not None and bool(gradient.any())) is learns
