"""Judging: the window of a loosened box follows that box, as the service's does."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import torch

from app.geometry.masks import extent_of
from training.dataset import Dataset
from training.evaluation.evaluate import Asked, evaluate
from training.evaluation.methods import Found, Model
from training.evaluation.seen import Sights
from training.models import open_model
from training.prompts import Given, Recipe
from training.start import Machine

CPU = Machine(torch.device("cpu"), mixed=False)
HALF = 512.0
"""A window's side is twice its box', model frame."""


def longer_side(box: npt.NDArray[np.float64]) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def test_a_loosened_box_lies_in_the_window_that_the_service_would_read(dataset: Dataset) -> None:
    sights = Sights(dataset, seed=3)
    for item in dataset.items[:4]:
        tight, loose = sights.tight(item), sights.loose(item)
        recipe = Recipe("loosened", box="loosened", positive=2)
        assert sights.of(item, Recipe("tight", box="jittered")).box == tight.box == item.box
        assert sights.of(item, recipe).box == loose.box
        assert longer_side(np.array(loose.box)) == pytest.approx(HALF, abs=1e-6)
        given = loose.given(recipe, 0, 1)
        assert given.box is not None
        assert given.box.tolist() == list(loose.box)
        assert loose.truth[given.points[:, 1].astype(int), given.points[:, 0].astype(int)].all()
        extents = np.array([extent_of(each.truth) for each in (tight, loose)], float)
        shrunk = np.divide(*[extents[row, 2:] - extents[row, :2] for row in (1, 0)])
        assert (shrunk < 1 / 1.08).all()
        assert (shrunk > 1 / 1.45).all()


def test_the_evaluation_measures_in_that_window(dataset: Dataset, tmp_path: Path) -> None:
    item = dataset.items[0]
    sights = Sights(dataset, seed=0)
    shown: list[tuple[bool, Given]] = []

    def answered(model: Model, embeddings: bool, given: Given) -> Found:
        shown.append((embeddings, given))
        return Found((sights.loose if embeddings else sights.tight)(item).truth, 1.0, 0.0)

    def encoded(model: Model, image: npt.NDArray[np.uint8]) -> tuple[bool, float]:
        return not np.array_equal(image, sights.tight(item).image), 0.0

    nothing = Found(sights.tight(item).truth, 1.0, 0.0)
    model = Model("perfect", open_model("embedded").model, CPU)
    with (
        patch.object(Model, "decode", answered),
        patch.object(Model, "encode", encoded),
        patch.object(Model, "automatic", lambda *_: nothing),
    ):
        rows = evaluate(dataset, [item], Asked((model,), ("",), 0), tmp_path)
    assert {row.values["iou"] for row in rows if row.method == "perfect" and not row.cleaned} == {1.0}
    loose = [given for embeddings, given in shown if embeddings]
    assert len(loose) == sum(
        row.prompt.startswith("loosened") and row.cleaned for row in rows if row.method == "perfect"
    )
    for given in loose:
        assert given.box is not None
        assert longer_side(given.box) == pytest.approx(HALF, abs=1e-6)
    plain = {row.prompt: row.values["iou"] for row in rows if row.method == "plain box"}
    assert plain["loosened box"] < plain["exact box"]
