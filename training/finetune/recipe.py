"""What decides a fine-tuning: ours, and the thesis' (sections 5.2 to 5.5), which deviates from it in nothing.

Where the text of the thesis leaves a number open, it is that of its author's public code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from training import prompts
from training.mask_prompts import BINARY, RAW
from training.models.promptable import Tuned

Proposal = Literal["least loss", "best score"]
Combined = Literal["subsets", "thesis"]
Criterion = Literal["iou", "loss"]
Combination = tuple[str, ...]

PROMPT_TYPES = ("box", "mask", "positive", "negative")
MOST_POINTS = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the result, beside the data and the starting weights."""

    tune: Tuned = "decoder"
    """Prompt encoder and mask decoder alone, these and LoRA on the image encoder, or everything."""
    loss: str = "bce-iou"
    """See `training.finetune.losses`."""
    epochs: int = 30
    batch: int = 16
    learning_rate: float = 1e-5
    weight_decay: float = 1e-4
    prompt_types: tuple[str, ...] = PROMPT_TYPES
    subsets_per_batch: int = 3
    """How many of the prompt types' subsets each batch is decoded with; all take their turn."""
    patience: int = 6
    """Epochs without a better validation before the training ends; 0: never."""
    lora_rank: int = 8
    seed: int = 0
    proposal: Proposal = "least loss"
    """Which of the three proposals learns: the one of least loss, or of highest predicted IoU."""
    estimates: bool = True
    """Whether the predicted IoU of all three learns besides."""
    loss_side: int = 256
    """Side at which masks are compared, pixels."""
    combinations: Combined = "subsets"
    """``subsets``: every subset of the prompt types takes its turn on a whole batch. ``thesis``: those of the author's
    code, and each object with each of them is a sample of its own."""
    points: int = 0
    """Of each kind; 0: a number from 1 to `MOST_POINTS`, drawn for each batch."""
    redrawn: bool = True
    """Whether prompts are drawn anew in every epoch."""
    best_by: Criterion = "iou"
    """What the best epoch is chosen by: the IoU of two box prompts, or the loss, both on the validation split."""
    mask_values: tuple[float, float] = RAW
    """What a mask prompt holds outside of its object, and inside."""
    datasets: tuple[str, ...] = ()
    """Which datasets to learn from, by name; none: all."""
    rounds: int = 0
    """Simulated corrections after the first prompts: a point each, where the error is largest."""
    box_kept: float = 0.85
    """How often the box stays a prompt in a round of corrections."""
    loosened: float = 0.45
    """Share of the objects whose box is loosened, where there are rounds: a near box leaves little to correct."""
    off_centre: float = 0.3
    """Share of the objects whose box lies anywhere in its window, where there are rounds: as at a slide's edge."""
    far_off: float = 0.15
    """Share of the first boxes that lie far off, where there are rounds."""
    augment: bool = False
    """Whether windows are turned, mirrored and recoloured."""
    accumulate: int = 1
    """Batches to a step."""
    minutes: float = 0.0
    """After which the training ends; 0: never."""
    single: float = 0.0
    """Weight of the single-mask token's loss beside that of the proposals."""
    fall: float = 0.0
    """Share of the run, at its end, in which the learning rate falls."""

    @property
    def teaches_masks(self) -> bool:
        """Whether mask prompts are learned: those that people draw, and the model's own that a round gives back."""
        return "mask" in self.prompt_types


PRESETS = {
    "ours": Recipe(),
    "thesis": Recipe(
        patience=0, proposal="best score", estimates=False, loss_side=1024, combinations="thesis", points=MOST_POINTS,
        redrawn=False, best_by="loss", mask_values=BINARY,
    ),
}  # fmt: skip
"""Recipes by name. The thesis': source: sections 5.2.1 and 5.2.2, and ``src/train.py``, ``src/model/sam2_model.py`` and
``src/dataset_processing/dataset.py`` of its author's HistoSAM."""

_PAIRS = (
    ("box", "positive"),
    ("box", "negative"),
    ("positive", "negative"),
    ("mask", "positive"),
    ("mask", "negative"),
)
_TRIPLES = (("box", "positive", "negative"), ("mask", "positive", "negative"))


def combinations_of(recipe: Recipe) -> list[Combination]:
    """List the combinations of prompts that a recipe learns from."""
    return thesis_combinations(recipe.prompt_types) if recipe.combinations == "thesis" else subsets(recipe.prompt_types)


def subsets(types: tuple[str, ...]) -> list[Combination]:
    """List every combination of the types that says where the object is.

    Negative points alone say nothing, so they never stand alone.
    """
    known = [kind for kind in PROMPT_TYPES if kind in types]
    found = [subset for size in range(1, len(known) + 1) for subset in combinations(known, size)]
    return [subset for subset in found if subset != ("negative",)]


def thesis_combinations(types: tuple[str, ...]) -> list[Combination]:
    """List the combinations that the author's code trains and tests on.

    All four types: box, mask, each of them with both kinds of points, and everything. Fewer: each type alone, even
    negative points, and all of them together where the code has that combination.
    """
    known = tuple(kind for kind in PROMPT_TYPES if kind in types)
    if known == PROMPT_TYPES:
        return [("box",), ("mask",), *_TRIPLES, PROMPT_TYPES]
    together = [each for each in (*_PAIRS, *_TRIPLES) if set(each) == set(known)]
    return [*((kind,) for kind in known), *together]


def recipe_of(subset: Combination, points: int, mask: prompts.MaskKind = "loose") -> prompts.Recipe:
    """Give the prompts of a combination, with so many points of each kind."""
    return prompts.Recipe(
        "+".join(subset),
        box="jittered" if "box" in subset else None,
        positive=points if "positive" in subset else 0,
        negative=points if "negative" in subset else 0,
        mask=mask if "mask" in subset else None,
    )
