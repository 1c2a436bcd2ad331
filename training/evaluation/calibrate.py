"""What belongs on a checkpoint's card: which of its masks to take, where clicks may let them grow, and their worth.

Decisions 0033, 0084 and 0034.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import numpy as np
from rich.progress import track

from app.geometry.choices import PromptKind
from app.geometry.clicks import Clicks
from app.geometry.frames import WindowXY
from app.geometry.judgement import SIGNS, Growth, Judgement, Rule
from app.geometry.masks import BoolMask, Mask, Masks, clean_mask, mask_in_model_frame, without_spurs
from app.geometry.prompts import PointLabel, Prompts, prompt_kind
from app.geometry.signs import Signs, signs_of
from app.geometry.windows import MODEL_SIDE_PX
from training.dataset import Dataset, Item
from training.errors import BrokenDataset
from training.evaluation.corrections import corrections
from training.evaluation.methods import Model
from training.evaluation.metrics import overlap
from training.evaluation.monotone import Floats, calibration_error, fit, reliability
from training.evaluation.seen import Seen, Sights
from training.finetune.batches import item_rng
from training.prompts import Given, Recipe

TIGHT = (Recipe("exact box", box="exact"), Recipe("box", box="jittered"))
"""Asked in an object's stored window."""
LOOSE = (
    Recipe("loosened box", box="loosened"),
    Recipe("loosened box, 1 point (+)", box="loosened", positive=1),
    Recipe("loosened box, 3 points (+)", box="loosened", positive=3),
    Recipe("loosened box, 1 point (-)", box="loosened", negative=1),
    Recipe("loosened box, 2 points (+), 1 point (-)", box="loosened", positive=2, negative=1),
)
"""Asked in the window around the loosened box, as the service would read it."""
_TURN = 2
"""Tells the random numbers of these prompts from those of other measurements."""
FOLDS = 5
LEAST_SLIDES = 4
"""With fewer there is nothing to check a calibration on."""
POPULATED = (0.75, 0.95)
_GAIN = 0.01
"""A sign has a weight if it takes away this share of the mean squared error."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt on one object."""

    dataset: str
    slide: str
    kind: PromptKind
    iou: dict[Rule, float]
    """Of each mask that may be taken, after post-processing."""
    signs: dict[Rule, Signs]
    near: dict[Rule, float] = field(default_factory=dict)
    """IoU where the mask may grow near clicks only; empty without clicks."""

    def outlined(self, growth: Growth) -> dict[Rule, float]:
        """Give the IoU of each mask where clicks may let it grow there."""
        return self.near if self.near and growth == "near clicks" else self.iou


@dataclass(frozen=True, slots=True)
class _Masks:
    """Which mask to take for which kind of prompts."""

    masks: tuple[tuple[PromptKind, int, float, float, float], ...]
    """As in `Judged`."""
    rules: dict[PromptKind, Rule]


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement, and how it was measured."""

    judgement: Judgement
    masks: tuple[tuple[PromptKind, int, float, float, float], ...]
    """Kind of prompts, how many, mean IoU of the best of three, what the single mask is better by, standard error."""
    near: tuple[int, float, float]
    """Prompts with clicks, by how much the mean IoU is higher if masks grow near clicks only, standard error."""
    expected: Floats
    """(n,) what was expected of each sample by a calibration that has not seen its slide."""
    iou: Floats
    """(n,) what came."""
    score: Floats
    """(n,) the raw score."""
    weights: Floats
    """(n,) every dataset counts alike."""
    slides: int

    @property
    def error(self) -> float:
        """The expected calibration error, every object alike."""
        return calibration_error(self.expected, self.iou, np.ones(len(self.iou)))

    def about(self) -> dict[str, Any]:
        """Tell how it was measured, for the card and metrics.json."""
        alike = np.ones(len(self.iou))
        low, high = POPULATED
        clicked, gain, error = self.near
        return {
            "prompts": len(self.iou),
            "slides": self.slides,
            "ece": round(self.error, 4),
            "ece_datasets_alike": round(calibration_error(self.expected, self.iou, self.weights), 4),
            "ece_of_the_score": round(calibration_error(self.score, self.iou, alike), 4),
            "share_expected_in_0.75_to_0.95": round(
                float(((self.expected >= low) & (self.expected <= high)).mean()), 3
            ),
            "reliability": [
                [round(told, 4), round(came, 4), count]
                for _, told, came, count in reliability(self.expected, self.iou, alike, 20)
            ],
            "masks": [
                {"prompts": kind, "n": n, "best": round(best, 4), "single_minus_best": round(gain, 4),
                 "standard_error": round(error, 4)}
                for kind, n, best, gain, error in self.masks
            ],
            "growth": {"n": clicked, "near_minus_anywhere": round(gain, 4), "standard_error": round(error, 4)},
        }  # fmt: skip


def samples(dataset: Dataset, items: Sequence[Item], model: Model, seed: int) -> list[Sample]:
    """Ask a model for every object with every kind of prompts that the service knows, and as people who correct.

    Raises
    ------
    BrokenDataset
        A file is missing or damaged.
    """
    found, sights = [], Sights(dataset, seed)
    for item in track(items, "Calibrating"):
        for seen, recipes in ((sights.tight(item), TIGHT), (sights.loose(item), LOOSE)):
            embeddings, _ = model.encode(seen.image)
            asked = [(given, model.masks(embeddings, given)) for given in (seen.given(r, seed, _TURN) for r in recipes)]
            boxed, alone = asked[0]
            if recipes is LOOSE:
                rng = item_rng(seed, item, _TURN)
                asked += corrections(boxed, alone, seen, partial(model.masks, embeddings), _shown, rng)
            found += [_sample(item, seen, given, masks, alone) for given, masks in asked]
    return found


def _sample(item: Item, seen: Seen, given: Given, masks: Masks, alone: Masks) -> Sample:
    taken = {rule: masks.named(rule) for rule in get_args(Rule)}
    iou = {rule: _iou(masks.of(name), given, seen) for rule, name in taken.items()}
    near = {
        rule: _iou(masks.of(name), given, seen, alone.of(alone.named(rule)))
        for rule, name in taken.items()
        if len(given.labels)
    }
    signs = {rule: signs_of(masks, name) for rule, name in taken.items()}
    kind = prompt_kind([PointLabel(int(label)) for label in given.labels])
    return Sample(item.dataset, item.slide, kind, iou, signs, near)


def _shown(masks: Masks, given: Given) -> BoolMask:
    return _as_outlined(masks.of(masks.named("best")), given)


def _iou(mask: Mask, given: Given, seen: Seen, before: Mask | None = None) -> float:
    return float(overlap(_as_outlined(mask, given, before), seen.truth)["iou"])


def _as_outlined(mask: Mask, given: Given, before: Mask | None = None) -> BoolMask:
    """Clean a mask as the service does before it draws a smooth outline, with what clicks do to it.

    Parameters
    ----------
    before : Mask or None
        That of the box alone, if the mask may grow near clicks only.
    """
    box = np.empty((0, 2)) if given.box is None else given.box.reshape(2, 2)
    prompts = Prompts(WindowXY(box), WindowXY(given.points), tuple(PointLabel(int(label)) for label in given.labels))
    rows, columns = mask.logits.shape
    clicks = Clicks.among(prompts, (MODEL_SIDE_PX, MODEL_SIDE_PX), (rows, columns))
    values = mask.logits if before is None else clicks.grown(mask.logits, before.logits)
    found = mask_in_model_frame(clicks.heeded(values))
    shown = given.points[given.labels == PointLabel.FOREGROUND]
    return clean_mask(without_spurs(found, shown), shown=shown)


def judged(found: Sequence[Sample]) -> Judged:
    """Choose the masks, fit the calibration, and measure it slide by slide on what it was not fitted on.

    Raises
    ------
    BrokenDataset
        There are too few slides to tell.
    """
    slides = sorted({sample.slide for sample in found})
    if len(slides) < LEAST_SLIDES:
        raise BrokenDataset(
            f"A calibration needs objects on at least {LEAST_SLIDES} slides, so that it can be checked on slides that"
            f" were not used for the fit; there are {len(slides)}."
        )
    ways = {growth: _which(found, growth) for growth in get_args(Growth)}
    clicked = [s for s in found if s.near]
    near, anywhere = (
        np.array([s.outlined(way)[ways[way].rules[s.kind]] for s in clicked]) for way in ("near clicks", "anywhere")
    )
    gain, error = _gain(clicked, near - anywhere)
    growth: Growth = "near clicks" if gain > error else "anywhere"
    masks, rules = ways[growth].masks, ways[growth].rules
    signs = np.array([[getattr(s.signs[rules[s.kind]], name) for name in SIGNS] for s in found])
    iou = np.array([s.outlined(growth)[rules[s.kind]] for s in found])
    weights, folds = _alike([s.dataset for s in found]), _folds(found)
    using = _worth(signs, iou, weights, folds)
    expected = _crossed(signs, iou, weights, folds, using)
    takes = tuple((kind, rules[kind]) for kind, n, *_ in masks if n)
    whole = Judgement(takes, fit(signs, iou, weights, using), growth)
    return Judged(
        whole, masks, (len(clicked), gain, error), expected, iou, signs[:, SIGNS.index("score")], weights, len(slides)
    )


def _worth(signs: Floats, iou: Floats, weights: Floats, folds: Floats) -> tuple[str, ...]:
    """Choose the signs that are worth a weight: the score, and each that makes slides which were not seen clearer."""

    def missed(using: tuple[str, ...]) -> float:
        return float(np.average((_crossed(signs, iou, weights, folds, using) - iou) ** 2, weights=weights))

    using: tuple[str, ...] = ("score",)
    error = missed(using)
    while others := [name for name in SIGNS if name not in using]:
        best, least = min(((name, missed((*using, name))) for name in others), key=lambda each: each[1])
        if least > (1 - _GAIN) * error:
            break
        using, error = (*using, best), least
    return using


def _crossed(signs: Floats, iou: Floats, weights: Floats, folds: Floats, using: tuple[str, ...]) -> Floats:
    """Tell what is expected of every sample by a calibration that has not seen its fold."""
    expected = np.empty(len(iou))
    for fold in np.unique(folds):
        mine = folds == fold
        calibration = fit(signs[~mine], iou[~mine], weights[~mine], using)
        expected[mine] = [calibration(Signs(*each)) for each in signs[mine]]
    return expected


def _which(found: Sequence[Sample], growth: Growth) -> _Masks:
    """Choose between the single mask and the best of three for each kind of prompts."""
    masks = tuple(_compared(kind, [s for s in found if s.kind == kind], growth) for kind in get_args(PromptKind))
    return _Masks(masks, {kind: "single" if gain > error else "best" for kind, _, _, gain, error in masks})


def _compared(kind: PromptKind, some: Sequence[Sample], growth: Growth) -> tuple[PromptKind, int, float, float, float]:
    """Compare the single mask with the best of three, every dataset alike."""
    best, single = (np.array([s.outlined(growth)[rule] for s in some]) for rule in ("best", "single"))
    return kind, len(some), _gain(some, best)[0], *_gain(some, single - best)


def _gain(some: Sequence[Sample], values: Floats) -> tuple[float, float]:
    """Give the mean of a value of each sample and its standard error, every dataset alike; zeros without any."""
    names = sorted({sample.dataset for sample in some})
    if not names:
        return 0.0, 0.0
    of = np.array([sample.dataset for sample in some])
    groups = [values[of == name] for name in names]
    error = np.sqrt(sum(each.var() / len(each) for each in groups)) / len(groups)
    return float(np.mean([each.mean() for each in groups])), float(error)


def _alike(datasets: Sequence[str]) -> Floats:
    """Let every dataset count as much as another, whatever the number of its objects."""
    counts = {name: datasets.count(name) for name in set(datasets)}
    return np.array([1 / counts[name] / len(counts) for name in datasets])


def _folds(found: Sequence[Sample]) -> Floats:
    """Deal the slides of each dataset out, one fold after the other; all samples of a slide lie in one."""
    places: dict[str, int] = {}
    for name in sorted({sample.dataset for sample in found}):
        for number, slide in enumerate(sorted({s.slide for s in found if s.dataset == name})):
            places[slide] = (number + len(places)) % FOLDS
    return np.array([places[sample.slide] for sample in found], np.float64)
