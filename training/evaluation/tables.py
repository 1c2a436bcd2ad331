"""The tables of a report, from the summary of an evaluation; many are shaped like the thesis' own.

The thesis' tables themselves, with its models and its recipe, are run by `training.tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluation.evaluate import (
    ALL_OBJECTS,
    AUTOMATIC,
    BOX_RECIPES,
    BOXES,
    LOOSE_RECIPES,
    MASK_RECIPES,
    MEAN_OF_DATASETS,
    POINT_RECIPES,
    POSTPROCESSED,
    RECIRCULATED,
    TYPES,
    Summary,
    redrawn,
)
from training.evaluation.metrics import AUTHORS_SHAPE, FOUR, LABELS, SHAPE
from training.prompts import Recipe

_BOTH = tuple(name for metric in FOUR for name in (f"raw_{metric}", metric))
_RAW = "Raw: before post-processing, as the thesis measures."


@dataclass(frozen=True, slots=True)
class Table:
    """One table, ready to print."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(summary: Summary, models: Sequence[str], baselines: Sequence[str]) -> list[Table]:
    """Make every table; a table whose experiment was not run is left out."""
    model = models[0]
    kinds = (*POINT_RECIPES, *BOX_RECIPES, Recipe(TYPES))
    made = [
        _methods(summary, [*models, *baselines]),
        _types(summary, model, baselines),
        _loosened(summary, model),
        _prompts(summary, model, "Boxes and points (prompts of the thesis' table 4.2), and all prompt types", kinds),
        _prompts(summary, model, "Masks with other prompts (six of the thesis' table 4.3)", MASK_RECIPES),
        _mask_types(summary, model),
        _datasets(summary, model),
        _postprocessing(summary, model),
        _recirculation(summary, model),
        _shift(summary, model),
        _automatic(summary, model),
        _encoders(summary, models),
    ]
    return [table for table in made if table.rows]


def mean(summary: Summary, method: str, prompt: str, group: str, metric: str) -> float | None:
    """Look a mean up; None where there is none."""
    found = summary.get(method, {}).get(prompt, {}).get(group, {}).get(metric, {})
    return found.get("mean")


def groups_of(summary: Summary, method: str) -> list[str]:
    """List datasets and object types of an evaluation, the datasets first."""
    found = {group for groups in summary.get(method, {}).values() for group in groups}
    found -= {ALL_OBJECTS, MEAN_OF_DATASETS}
    return sorted(found, key=lambda group: (not group.startswith("dataset "), group))


def datasets_of(summary: Summary, method: str) -> list[str]:
    """List the datasets of an evaluation."""
    return [group for group in groups_of(summary, method) if group.startswith("dataset ")]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _label(metric: str) -> str:
    return f"{LABELS[metric.removeprefix('raw_')]}, raw" if metric.startswith("raw_") else LABELS[metric]


def _name(group: str) -> str:
    return group.removeprefix("dataset ").capitalize() if group.startswith("dataset ") else group


def _methods(summary: Summary, methods: Sequence[str]) -> Table:
    groups = [*datasets_of(summary, methods[0]), MEAN_OF_DATASETS]
    rows = []
    for prompt in BOXES:
        for method in methods:
            if mean(summary, method, prompt, ALL_OBJECTS, "iou") is not None:
                cells = [_cell(mean(summary, method, prompt, group, "iou")) for group in groups]
                rows.append((prompt, method, *cells))
    note = (
        "Mean IoU from a box alone. Exact: the tight box of the outline. Box: its sides moved by up to 20 of 1,024 px,"
        " as in the thesis. Loosened: each side moved outwards by 5 to 20 % of the object's extent."
    )
    return Table("The model and simple baselines", note, ("Box", "Method", *map(_name, groups)), tuple(rows))


def _types(summary: Summary, model: str, baselines: Sequence[str]) -> Table:
    kinds = [group for group in groups_of(summary, model) if not group.startswith("dataset ")]
    rows = []
    for kind in kinds:
        count = summary[model]["exact box"][kind]["iou"]["n"]
        exact = [_cell(mean(summary, method, "exact box", kind, "iou")) for method in (model, *baselines)]
        loosened = [_cell(mean(summary, method, "loosened box", kind, "iou")) for method in (model, *baselines)]
        rows.append((kind, str(count), *exact, *loosened))
    head = ("Objects", "n", *(f"exact: {name}" for name in (model, *baselines)), "loosened: " + model, *baselines)
    return Table("By object type", "Mean IoU from the exact and from the loosened box.", head, tuple(rows))


def _loosened(summary: Summary, model: str) -> Table:
    groups = [*datasets_of(summary, model), MEAN_OF_DATASETS]
    rows = [
        (recipe.name, *(_cell(mean(summary, model, recipe.name, group, "iou")) for group in groups))
        for recipe in LOOSE_RECIPES
    ]
    note = (
        "Mean IoU: the cost of a loose box, and the benefit of a point with it. Rows of one kind use the same boxes."
        " The window stays twice the object; the service would use twice the box."
    )
    return Table("Loose boxes", note, ("Prompts", *map(_name, groups)), tuple(rows))


def _prompts(summary: Summary, model: str, title: str, recipes: Sequence[Recipe]) -> Table:
    metrics = (*_BOTH, "boundary_f", "seconds")
    rows = []
    for recipe in recipes:
        if mean(summary, model, recipe.name, ALL_OBJECTS, "iou") is not None:
            cells = (_cell(mean(summary, model, recipe.name, ALL_OBJECTS, metric)) for metric in metrics)
            rows.append((recipe.name, *cells))
    note = (
        "Means over all objects. + is a point on the object, - a point beside it, inside the box unless stated"
        f" otherwise. {_RAW} All prompt types: five combinations with five points of each kind, each of them a sample."
    )
    return Table(title, note, ("Prompts", *map(_label, metrics)), tuple(rows))


def _mask_types(summary: Summary, model: str) -> Table:
    rows = []
    for name in ("truth mask", "morphology mask", "scribble mask", "loose mask"):
        found = [_cell(mean(summary, model, name, ALL_OBJECTS, metric)) for metric in _BOTH]
        shown = [_cell(mean(summary, "the mask prompt itself", name, ALL_OBJECTS, metric)) for metric in FOUR]
        if found[0] != "-":
            rows.append((name, *found, *(("1.000",) * 4 if name == "truth mask" else shown)))
    head = ("Mask prompt", *map(_label, _BOTH), *(f"{LABELS[metric]} input" for metric in FOUR))
    note = f"The mask is the only prompt. Input: the prompt itself, measured as if it were the result. {_RAW}"
    return Table("Mask types (prompts of the thesis' table 4.1)", note, head, tuple(rows))


def _datasets(summary: Summary, model: str) -> Table:
    metrics = (*_BOTH, "boundary_f")
    rows = []
    for group in [*groups_of(summary, model), ALL_OBJECTS, MEAN_OF_DATASETS]:
        cells = [_cell(mean(summary, model, "box", group, metric)) for metric in metrics]
        count = summary[model]["box"].get(group, {}).get("iou", {}).get("n", "")
        rows.append((_name(group), str(count), *cells))
    note = f"From the box alone. {_RAW}"
    head = ("Objects", "n", *map(_label, metrics))
    return Table("Datasets and object types (prompts of the thesis' table 4.4)", note, head, tuple(rows))


def _postprocessing(summary: Summary, model: str) -> Table:
    rows = []
    has_redrawn = redrawn(POSTPROCESSED[0]) in summary.get(model, {})
    for metric in (*FOUR, "boundary_f", *SHAPE, *AUTHORS_SHAPE, "size_retention"):
        cells = []
        for prompt in POSTPROCESSED:
            raw = mean(summary, model, prompt, ALL_OBJECTS, f"raw_{metric}")
            cells += ["/" if metric == "size_retention" else _cell(raw)]
            cells += [_cell(mean(summary, model, prompt, ALL_OBJECTS, metric))]
            if has_redrawn:
                cells += [_cell(mean(summary, model, redrawn(prompt), ALL_OBJECTS, metric))]
        rows.append((LABELS[metric], *cells))
    note = (
        "Opening, closing and selection of components, as in the service. The author measured shapes only on the first"
        " outline of a mask, with a coarser polygon; the text refers to the whole mask. Both are shown."
    ) + (" CascadePSP redraws the raw mask instead." if has_redrawn else "")
    heads = [(prompt, f"{prompt} (post-pro)", *([redrawn(prompt)] if has_redrawn else [])) for prompt in POSTPROCESSED]
    title = f"Post-processing (as the thesis' table{'s 5.9 and 5.11' if has_redrawn else ' 5.9'})"
    return Table(title, note, ("Metric", *(head for some in heads for head in some)), tuple(rows))


def _recirculation(summary: Summary, model: str) -> Table:
    rows = []
    for metric in _BOTH:
        cells = []
        for prompt in RECIRCULATED:
            for name in (prompt, f"{prompt}, recirculated"):
                cells.append(_cell(mean(summary, model, name, ALL_OBJECTS, metric)))
        rows.append((_label(metric), *cells))
    head = ("Metric", *(name for prompt in RECIRCULATED for name in (prompt, f"{prompt}, recirculated")))
    note = f"The first mask is added as a mask prompt, in the form that the checkpoint was trained with. {_RAW}"
    return Table("Recirculation (method of the thesis' table 5.13)", note, head, tuple(rows))


def _shift(summary: Summary, model: str) -> Table:
    rows = []
    for metric in _BOTH:
        names = ("loose mask", "scribble mask", "all", "all, scribble")
        rows.append((_label(metric), *(_cell(mean(summary, model, name, ALL_OBJECTS, metric)) for name in names)))
    head = ("Metric", "mask only: loose dilation", "scribble", "all prompts: loose dilation", "scribble")
    note = f"How well the model handles mask prompts of another kind than those it was trained with. {_RAW}"
    return Table(
        "Shift of the mask prompts (method of the thesis' tables 5.16 and 5.17, one point of each kind)",
        note,
        head,
        tuple(rows),
    )


def _automatic(summary: Summary, model: str) -> Table:
    rows = []
    if mean(summary, model, AUTOMATIC, ALL_OBJECTS, "iou") is not None:
        rows.append((model, *(_cell(mean(summary, model, AUTOMATIC, ALL_OBJECTS, metric)) for metric in _BOTH)))
    note = f"A grid of 16 x 16 points over the window; the mask with the highest score. {_RAW}"
    return Table("Automatic mode (as the thesis' table 4.5)", note, ("", *map(_label, _BOTH)), tuple(rows))


def _encoders(summary: Summary, models: Sequence[str]) -> Table:
    metrics = (*_BOTH, "seconds")
    rows = [(name, *(_cell(mean(summary, name, "box", ALL_OBJECTS, metric)) for metric in metrics)) for name in models]
    note = "From the box alone; the time is that of encoding and decoding one window on this machine."
    return Table(
        "Models side by side (as the thesis' tables 4.6 and 4.7)",
        note,
        ("Model", *map(_label, metrics)),
        tuple(rows),
    )
