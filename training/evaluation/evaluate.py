"""The evaluation: every prompt on every object, one line each, and so resumable."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from app.geometry.masks import clean_mask
from training.dataset import Dataset, Item
from training.errors import telling_of_full_disks
from training.evaluation.baselines import BASELINES
from training.evaluation.cascade_psp import Redraw
from training.evaluation.methods import Found, Model, recirculated
from training.evaluation.metrics import measured, overlap, size_retention
from training.evaluation.seen import Seen, Sights
from training.finetune.recipe import MOST_POINTS, PROMPT_TYPES, recipe_of, thesis_combinations
from training.prompts import BoxKind, Given, Recipe
from training.terminal import bar_of

ROWS = "rows.jsonl"

POINT_RECIPES = (
    Recipe("1 point (+)", positive=1),
    Recipe("5 points (+)", positive=5),
)
BOX_RECIPES = (
    Recipe("box", box="jittered"),
    Recipe("box, 1 point (+)", box="jittered", positive=1),
    Recipe("box, 5 points (+)", box="jittered", positive=5),
    Recipe("box, 1 point (-)", box="jittered", negative=1),
    Recipe("box, 1 point (-) anywhere", box="jittered", negative=1, anywhere=True),
    Recipe("box, 5 points (-)", box="jittered", negative=5),
    Recipe("box, 5 points (-) anywhere", box="jittered", negative=5, anywhere=True),
)
MASK_RECIPES = (
    Recipe("loose mask", mask="loose"),
    Recipe("loose mask, 1 point (+)", mask="loose", positive=1),
    Recipe("loose mask, 5 points (+)", mask="loose", positive=5),
    Recipe("loose mask, box", mask="loose", box="jittered"),
    Recipe("loose mask, box, 1 point (+)", mask="loose", box="jittered", positive=1),
    Recipe("all", mask="loose", box="jittered", positive=1, negative=1),
)
SHIFT_RECIPES = (
    Recipe("scribble mask", mask="scribble"),
    Recipe("all, scribble", mask="scribble", box="jittered", positive=1, negative=1),
    Recipe("morphology mask", mask="morphology"),
    Recipe("truth mask", mask="truth"),
)
LOOSE_RECIPES = (
    Recipe("exact box", box="exact"),
    Recipe("exact box, 1 point (+)", box="exact", positive=1),
    Recipe("loosened box", box="loosened"),
    Recipe("loosened box, 1 point (+)", box="loosened", positive=1),
    Recipe("loosened box, 1 point (-)", box="loosened", negative=1),
    Recipe("loosened box, 3 points (+)", box="loosened", positive=3),
)
TYPES = "all prompt types"
TYPE_RECIPES = tuple(replace(recipe_of(each, MOST_POINTS), name=TYPES) for each in thesis_combinations(PROMPT_TYPES))
"""What the thesis tests its fine-tuned models with (chapters 5 and 6): five combinations, each a sample, one row."""
ALL_RECIPES = (*LOOSE_RECIPES, *BOX_RECIPES, *POINT_RECIPES, *MASK_RECIPES, *SHIFT_RECIPES, *TYPE_RECIPES)
COMPARED = (LOOSE_RECIPES[0], LOOSE_RECIPES[2], LOOSE_RECIPES[3], BOX_RECIPES[0], BOX_RECIPES[1], MASK_RECIPES[-1],
            *TYPE_RECIPES)  # fmt: skip
"""What the other models are asked."""
BOXES: dict[str, BoxKind] = {"exact box": "exact", "box": "jittered", "loosened box": "loosened"}
RECIRCULATED = ("box", "all")
POSTPROCESSED = ("box", TYPES)
"""Whose masks are also redrawn with CascadePSP, where that is asked for."""
AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt, one object, one method."""

    item: str
    method: str
    prompt: str
    cleaned: bool
    """After post-processing."""
    values: dict[str, float]
    """Metrics by name, `score`, and `seconds` of encoding and decoding."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is evaluated."""

    models: tuple[Model, ...]
    """The evaluated one first."""
    digests: tuple[str, ...]
    """Of the models' weights."""
    seed: int = 0
    redraw: Redraw | None = None
    """CascadePSP, for the masks of the first model; None: without it."""


def redrawn(prompt: str) -> str:
    """Name the rows of a prompt whose masks CascadePSP has redrawn."""
    return f"{prompt}, CascadePSP"


def evaluate(dataset: Dataset, items: Sequence[Item], asked: Asked, folder: Path) -> list[Row]:
    """Evaluate, or go on with an evaluation that was stopped.

    Parameters
    ----------
    items : sequence of Item
        Of the dataset.
    folder : Path
        Its rows lie there; those of other weights, data or seed are begun anew.

    Raises
    ------
    BrokenDataset, NoSpace
        What was evaluated before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ROWS
    key = _key(dataset, items, asked)
    done = _done(file, key)
    with telling_of_full_disks(str(file)), file.open("a", encoding="utf-8") as stream:
        if not done:
            stream.truncate(0)
            stream.write(json.dumps({"key": key}) + "\n")
        columns = (TextColumn("Evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with bar_of(*columns) as bar:
            task = bar.add_task("", total=len(items), completed=len(done))
            sights = Sights(dataset, asked.seed)
            for item in items:
                if item.id not in done:
                    done[item.id] = list(_rows_of(sights, item, asked))
                    lines = [[row.method, row.prompt, row.cleaned, row.values] for row in done[item.id]]
                    stream.write(json.dumps({"item": item.id, "rows": lines}) + "\n")
                    stream.flush()
                    bar.advance(task)
    return [row for item in items for row in done[item.id]]


def _key(dataset: Dataset, items: Sequence[Item], asked: Asked) -> str:
    names = [*(recipe.name for recipe in ALL_RECIPES), "windows follow loosened boxes"]
    models = [(model.name, digest) for model, digest in zip(asked.models, asked.digests, strict=True)]
    also = [asked.redraw.sha256] if asked.redraw else []
    text = json.dumps([dataset.sha256, [item.id for item in items], models, asked.seed, names, *also])
    return hashlib.sha256(text.encode()).hexdigest()


def _done(file: Path, key: str) -> dict[str, list[Row]]:
    """Read the items that are finished, if the file belongs to this evaluation."""
    if not file.exists():
        return {}
    found: dict[str, list[Row]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        try:
            content = json.loads(line)
        except ValueError:  # cut off in the middle
            break
        if number == 0:
            if content.get("key") != key:
                return {}
            continue
        found[content["item"]] = [Row(content["item"], *values) for values in content["rows"]]
    return found


def _rows_of(sights: Sights, item: Item, asked: Asked) -> Iterator[Row]:
    tight, loose = sights.tight(item), sights.loose(item)

    def seen(recipe: Recipe) -> Seen:
        return loose if recipe.box == "loosened" else tight

    def given(recipe: Recipe) -> Given:
        return seen(recipe).given(recipe, asked.seed, 1)

    for number, model in enumerate(asked.models):
        of_tight, of_loose = model.encode(tight.image), model.encode(loose.image)

        def judged(prompt: str, found: Found, where: Seen, name: str, encoding_s: float) -> Iterator[Row]:
            times = {"score": found.score, "seconds": encoding_s + found.seconds}
            cleaned = clean_mask(found.mask)
            for mask, clean in ((found.mask, False), (cleaned, True)):
                kept = {"size_retention": size_retention(mask, found.mask)}
                yield Row(item.id, name, prompt, clean, {**measured(mask, where.truth), **kept, **times})

        for recipe in ALL_RECIPES if number == 0 else COMPARED:
            where, prompt = seen(recipe), given(recipe)
            embeddings, encoding_s = of_loose if where is loose else of_tight
            first = model.decode(embeddings, prompt)
            yield from judged(recipe.name, first, where, model.name, encoding_s)
            if number == 0 and recipe.name in RECIRCULATED:
                again = model.decode(embeddings, recirculated(prompt, first))
                yield from judged(f"{recipe.name}, recirculated", again, where, model.name, encoding_s)
            if number == 0 and asked.redraw and recipe.name in POSTPROCESSED:
                yield _redrawn(where, model.name, recipe.name, first, asked.redraw, encoding_s)
        if number == 0:
            embeddings, encoding_s = of_tight
            yield from judged(AUTOMATIC, model.automatic(embeddings), tight, model.name, encoding_s)
    for prompt_name, kind in BOXES.items():
        drawn = Recipe(prompt_name, box=kind)
        box = given(drawn).box
        assert box is not None  # noqa: S101  the recipe has one
        for name, baseline in BASELINES.items():
            yield Row(item.id, name, prompt_name, True, measured(baseline(seen(drawn).image, box), seen(drawn).truth))
    for kind_of_mask in ("loose", "scribble", "morphology"):
        shown = given(Recipe(kind_of_mask, mask=kind_of_mask)).mask
        assert shown is not None  # noqa: S101
        yield Row(item.id, "the mask prompt itself", f"{kind_of_mask} mask", True, dict(overlap(shown, tight.truth)))


def _redrawn(where: Seen, method: str, prompt: str, first: Found, redraw: Redraw, encoding_s: float) -> Row:
    """Measure a mask after CascadePSP, whose time counts."""
    started = time.perf_counter()
    mask = redraw(where.image, first.mask)
    seconds = encoding_s + first.seconds + time.perf_counter() - started
    kept = {"size_retention": size_retention(mask, first.mask), "score": first.score, "seconds": seconds}
    return Row(where.stored.id, method, redrawn(prompt), True, {**measured(mask, where.truth), **kept})


def summed_up(values: Sequence[float]) -> dict[str, float | int]:
    """Give mean and quartiles of the numbers among some values."""
    known = np.array([value for value in values if not math.isnan(value)])
    if not known.size:
        return {"n": 0}
    low, median, high = (float(value) for value in np.quantile(known, [0.25, 0.5, 0.75]))
    return {"n": int(known.size), "mean": float(known.mean()), "q1": low, "median": median, "q3": high}


Summary = dict[str, dict[str, dict[str, dict[str, dict[str, Any]]]]]
"""Method, prompt, group, metric, statistic; metrics before post-processing are called ``raw_...``."""

ALL_OBJECTS, MEAN_OF_DATASETS = "all objects", "mean of datasets"


def summary(rows: Sequence[Row], items: Sequence[Item]) -> Summary:
    """Sum up the rows by method, prompt and group.

    Groups are every object type, every dataset (``dataset NAME``), all objects alike, as the thesis averages, and the
    mean of the datasets' means, in which a dataset of many small objects does not drown the others.
    """
    by_id = {item.id: item for item in items}
    gathered: dict[tuple[str, str, str, str], list[float]] = {}
    for row in rows:
        item = by_id[row.item]
        for name, value in row.values.items():
            metric = name if row.cleaned or name in {"score", "seconds"} else f"raw_{name}"
            for group in (item.object_type, f"dataset {item.dataset}", ALL_OBJECTS):
                gathered.setdefault((row.method, row.prompt, group, metric), []).append(value)
    found: Summary = {}
    for (method, prompt, group, metric), values in gathered.items():
        found.setdefault(method, {}).setdefault(prompt, {}).setdefault(group, {})[metric] = summed_up(values)
    for by_prompt in found.values():
        for groups in by_prompt.values():
            datasets = [metrics for group, metrics in groups.items() if group.startswith("dataset ")]
            groups[MEAN_OF_DATASETS] = {
                metric: {"mean": float(np.mean([each[metric]["mean"] for each in datasets if each[metric].get("n")]))}
                for metric in datasets[0]
                if any(each[metric].get("n") for each in datasets)
            }
    return found
