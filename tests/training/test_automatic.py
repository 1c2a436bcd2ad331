"""Automatic mode as the author ran it, by the service's own function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.dataset import Dataset
from training.evaluation.methods import GRID, Model, _stability
from training.models import open_model
from training.start import Machine


def test_a_mask_is_stable_where_a_shifted_threshold_changes_little() -> None:
    # 100 pixels far above the threshold and 300 within one of it
    logits = torch.full((1, 1, 20, 20), 0.5)
    logits[0, 0, :5] = 9.0
    assert _stability(logits).item() == 0.25
    assert _stability(torch.full((1, 1, 4, 4), -9.0)).item() == 0


@pytest.mark.long
def test_the_mask_that_is_trusted_most_is_kept(dataset: Dataset) -> None:
    assert GRID == 16
    loaded = open_model("embedded")
    loaded.network.eval()
    model = Model("embedded", loaded.model, Machine(torch.device("cpu"), mixed=False))
    embeddings, _ = model.encode(dataset.image(dataset.items[0]))
    everything = model.everything(embeddings)
    best = model.automatic(embeddings)
    if not everything:
        assert not best.mask.any()
        assert best.score == 0
        return
    assert best.score == everything[0].score == max(each.score for each in everything)
    assert (best.mask == everything[0].mask).all()
    assert min(each.score for each in everything) >= 0.8
    masks = [each.mask for each in everything]
    for at, one in enumerate(masks):
        for other in masks[:at]:
            assert np.count_nonzero(one & other) / np.count_nonzero(one | other) < 0.8  # doubles are suppressed
