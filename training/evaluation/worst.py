"""The worst cases: found among the rows, decoded once more, and drawn."""

from __future__ import annotations

from collections.abc import Sequence

from app.geometry.masks import clean_mask
from training.dataset import Dataset, Item
from training.evaluation.evaluate import ALL_RECIPES, Row
from training.evaluation.methods import Model
from training.evaluation.plots import case_picture
from training.evaluation.report import WORST, WORST_PROMPT, Case
from training.evaluation.seen import Sights


def worst_cases(dataset: Dataset, items: Sequence[Item], rows: Sequence[Row], model: Model, seed: int) -> list[Case]:
    """Draw the objects with the lowest IoU, the worst first."""
    recipe = next(recipe for recipe in ALL_RECIPES if recipe.name == WORST_PROMPT)
    by_id, sights = {item.id: item for item in items}, Sights(dataset, seed)
    asked = [row for row in rows if row.method == model.name and row.prompt == WORST_PROMPT and row.cleaned]
    cases = []
    for row in sorted(asked, key=lambda row: row.values["iou"])[:WORST]:
        item = by_id[row.item]
        seen = sights.of(item, recipe)
        given = seen.given(recipe, seed, 1)
        found = model.decode(model.encode(seen.image)[0], given)
        picture = case_picture(seen.image, seen.truth, clean_mask(found.mask), given)
        cases.append(Case(item.id, item.object_type, row.values["iou"], found.score, picture))
    return cases
