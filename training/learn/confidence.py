"""How far to trust new weights: measured on objects that they were never taught, before they are packaged."""

from __future__ import annotations

from typing import Any

from training.dataset import Dataset, Item
from training.errors import BrokenDataset
from training.evaluation.calibrate import Judged, judged, samples
from training.evaluation.cards import judgement_on_a_card
from training.evaluation.methods import Model
from training.models import Loaded
from training.start import Machine

MOST_OBJECTS = 150
"""Of each set: more take longer and change little."""


def measured(loaded: Loaded, parts: list[tuple[Dataset, list[Item]]], machine: Machine, seed: int) -> Judged | str:
    """Fit which mask to take and how far to trust it; or say why that cannot be told.

    Parameters
    ----------
    parts : list of (Dataset, items)
        None of the items was learned from, nor chose the best epoch.
    """
    loaded.network.to(machine.device).eval()
    model = Model(loaded.name, loaded.model, machine)
    found = []
    for dataset, items in parts:
        some = sorted(items, key=lambda item: item.sha256)[:MOST_OBJECTS]
        found += samples(dataset, some, model, seed)
    try:
        return judged(found)
    except BrokenDataset as error:
        return str(error)


def on_a_card(found: Judged | str) -> dict[str, Any]:
    """Give the members of a card; without a judgement, the service says "uncalibrated"."""
    return {"uncalibrated": found} if isinstance(found, str) else {"judgement": judgement_on_a_card(found)}


def told(found: Judged | str) -> str:
    """Say it in a line."""
    if isinstance(found, str):
        return f"The confidence of the new weights is uncalibrated. {found}"
    return (
        f"The confidence of the new weights is calibrated on {len(found.iou)} prompts of {found.slides} slides;"
        f" expected calibration error {found.error:.3f}."
    )
