"""What models are asked in the thesis: prompts by name, and rows of pictures."""

from __future__ import annotations

from dataclasses import replace

from training.finetune.recipe import MOST_POINTS, PROMPT_TYPES, recipe_of, thesis_combinations
from training.prompts import MaskKind, Recipe
from training.tables.entry import After, Arm, Asked, Panel

POINTS_AND_BOXES = (
    Recipe("1 point (+)", positive=1),
    Recipe("5 points (+)", positive=5),
    Recipe("box", box="jittered"),
    Recipe("box, 1 point (+)", box="jittered", positive=1),
    Recipe("box, 5 points (+)", box="jittered", positive=5),
    Recipe("box, 1 point (-)", box="jittered", negative=1),
    Recipe("box, 1 point (-) anywhere", box="jittered", negative=1, anywhere=True),
    Recipe("box, 5 points (-)", box="jittered", negative=5),
    Recipe("box, 5 points (-) anywhere", box="jittered", negative=5, anywhere=True),
)
"""Source: table 4.2."""
MASKS: dict[str, MaskKind] = {
    "ground truth": "truth", "morphology": "morphology", "scribble": "scribble", "loose dilation": "loose",
}  # fmt: skip
"""Source: table 4.1."""
BOX, BOX_AND_POINT = POINTS_AND_BOXES[2], POINTS_AND_BOXES[3]


def mask_only(kind: MaskKind) -> Recipe:
    """Give a mask alone."""
    return Recipe(f"{kind} mask", mask=kind)


def with_masks(kind: MaskKind) -> tuple[Recipe, ...]:
    """Give the nine rows of table 4.3; a box there is that of the mask prompt, not of the object."""
    name = f"{kind} mask"
    alone = Recipe(name, mask=kind)
    boxed = replace(alone, name=f"{name}, box", box="of the mask prompt")
    return (
        alone,
        replace(alone, name=f"{name}, 1 point (+)", positive=1),
        replace(alone, name=f"{name}, 1 point (-)", negative=1),
        replace(alone, name=f"{name}, 5 points (+)", positive=5),
        replace(alone, name=f"{name}, 5 points (-)", negative=5),
        boxed,
        replace(boxed, name=f"{name}, box, 1 point (+)", positive=1),
        replace(boxed, name=f"{name}, box, 1 point (-)", negative=1),
        replace(boxed, name=f"{name}, box, 1 point (+), 1 point (-)", positive=1, negative=1),
    )


def types(*kinds: str, after: After = "raw") -> Asked:
    """Ask with all combinations of prompt types that the author's code tests, five points of each kind.

    Source: chapters 5 and 6; with all four types, five combinations, each object with each of them a sample.
    """
    return Asked(tuple(recipe_of(each, MOST_POINTS) for each in thesis_combinations(kinds or PROMPT_TYPES)), after)


def everything_at_once(kind: MaskKind) -> Asked:
    """Ask with box, mask and five points of each kind together; source: tables 5.15 and 5.17."""
    return Asked((recipe_of(PROMPT_TYPES, MOST_POINTS, kind),))


def side_by_side(arm: Arm, asked: Recipe = BOX_AND_POINT) -> tuple[Panel, ...]:
    """Show image, truth, prompt and prediction, as figures 5.1 and 5.2 do."""
    return (
        Panel("image", "image"),
        Panel("truth", "truth"),
        Panel("prompt", "prompt", asked=Asked((asked,))),
        Panel("prediction", "found", arm, Asked((asked,))),
    )


def before_and_after(arm: Arm, after: After) -> tuple[Panel, ...]:
    """Show the truth, and a prediction before and after something was done to it."""
    return (
        Panel("image", "image"),
        Panel("truth", "truth"),
        Panel("prediction", "found", arm, Asked((BOX_AND_POINT,))),
        Panel(f"after {after}", "found", arm, Asked((BOX_AND_POINT,), after)),
    )


def shifted(arm: Arm) -> tuple[Panel, ...]:
    """Show what two kinds of mask prompts lead to, as appendix B does."""
    scribble, loose = Asked((mask_only("scribble"),)), Asked((mask_only("loose"),))
    return (
        Panel("image", "image"),
        Panel("scribble", "prompt", asked=scribble),
        Panel("loose dilation", "prompt", asked=loose),
        Panel("truth", "truth"),
        Panel("prediction, scribble", "found", arm, scribble),
        Panel("prediction, loose dilation", "found", arm, loose),
    )
