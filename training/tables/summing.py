"""Means of samples, beside the thesis' numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from training.dataset import Item
from training.tables.measure import Sample
from training.tables.registry import ALL, DATASETS, numbers_of_the_thesis


@dataclass(frozen=True, slots=True)
class Cells:
    """One metric of one line."""

    line: str
    metric: str
    ours: dict[str, float | None]
    """Dataset or `ALL` to the mean over all samples alike, as the thesis averages."""
    thesis: dict[str, float]
    samples: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the IoU of a line lies above that of another, object by object."""

    line: str
    mean: float
    error: float
    """Standard error of the mean, over objects; 0 of a single one."""
    objects: int


def differences(samples: Mapping[str, Sequence[Sample]], other: str) -> tuple[Difference, ...]:
    """Compare the samples of every line, by its label, with those of one of them."""
    means = {line: _iou_by_object(some) for line, some in samples.items()}
    return tuple(_difference(line, means[line], means[other]) for line in samples if line != other)


def _iou_by_object(samples: Sequence[Sample]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for sample in samples:
        found.setdefault(sample.item, []).append(sample.values["iou"])
    return {item: fmean(values) for item, values in found.items()}


def _difference(line: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> Difference:
    apart = [ours[item] - theirs[item] for item in ours]
    error = stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    return Difference(line, fmean(apart), error, len(apart))


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
    ours = {group: fmean(by_group[group]) if group in by_group else None for group in (*datasets, ALL)}
    return Cells(line, metric, ours, of_the_thesis(number, line, metric, datasets), len(by_group.get(ALL, [])))


def of_the_thesis(number: str, line: str, metric: str, datasets: Sequence[str]) -> dict[str, float]:
    """Look the thesis' numbers up; a line that names datasets stands for that of the same places in its tables."""
    lines = numbers_of_the_thesis().get(number, {})
    if line not in lines and len(datasets) == len(DATASETS):
        theirs = dict(zip(datasets, DATASETS, strict=True))
        line = " + ".join(theirs.get(name, name) for name in line.split(" + "))
    return lines.get(line, {}).get(metric, {})
