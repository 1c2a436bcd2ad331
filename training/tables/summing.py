"""Means of samples, beside the thesis' numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.dataset import Item
from training.tables.measure import Sample
from training.tables.registry import ALL, DATASETS, numbers_of_the_thesis

LABELS = {
    "dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall", "seconds": "Time (s)",
    "prompt_dice": "Dice of the prompt", "prompt_iou": "IoU of the prompt",
    "prompt_precision": "Precision of the prompt", "prompt_recall": "Recall of the prompt",
    "first_compactness": "Compactness, first outline", "first_solidity": "Solidity, first outline",
    "first_perimeter_smoothness": "Perimeter smoothness, first outline",
    "compactness": "Compactness, whole mask", "solidity": "Solidity, whole mask",
    "perimeter_smoothness": "Perimeter smoothness, whole mask", "components": "Connected components",
    "size_retention": "Size retention",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cells:
    """One metric of one line."""

    line: str
    metric: str
    ours: dict[str, float | None]
    """Dataset or `ALL` to the mean over all samples alike, as the thesis averages."""
    thesis: dict[str, float]
    samples: int


def cells(
    number: str, line: str, metric: str, samples: Sequence[Sample], items: Mapping[str, Item], datasets: Sequence[str]
) -> Cells:
    """Average a metric of a line, by dataset and over all."""
    by_group: dict[str, list[float]] = {}
    for sample in samples:
        value = sample.values.get(metric, math.nan)
        if not math.isnan(value):
            for group in (items[sample.item].dataset, ALL):
                by_group.setdefault(group, []).append(value)
    ours = {group: _mean(by_group.get(group, [])) for group in (*datasets, ALL)}
    return Cells(line, metric, ours, of_the_thesis(number, line, metric, datasets), len(by_group.get(ALL, [])))


def of_the_thesis(number: str, line: str, metric: str, datasets: Sequence[str]) -> dict[str, float]:
    """Look the thesis' numbers up; a line that names datasets stands for that of the same places in its tables."""
    lines = numbers_of_the_thesis().get(number, {})
    if line not in lines and len(datasets) == len(DATASETS):
        theirs = dict(zip(datasets, DATASETS, strict=True))
        line = " + ".join(theirs.get(name, name) for name in line.split(" + "))
    return lines.get(line, {}).get(metric, {})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
