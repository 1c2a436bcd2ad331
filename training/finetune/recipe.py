"""What decides a fine-tuning; the defaults are the thesis' (section 5.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from training import prompts
from training.models.promptable import Tuned

PROMPT_TYPES = ("box", "mask", "positive", "negative")
MOST_POINTS = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the result, beside the data and the starting weights."""

    tune: Tuned = "decoder"
    """Prompt encoder and mask decoder alone, these and LoRA on the image encoder, or everything."""
    loss: str = "bce-iou"
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


def subsets(types: tuple[str, ...]) -> list[tuple[str, ...]]:
    """List what the model is trained on: every combination of the types that says where the object is.

    Negative points alone say nothing, so they never stand alone.
    """
    known = [kind for kind in PROMPT_TYPES if kind in types]
    found = [subset for size in range(1, len(known) + 1) for subset in combinations(known, size)]
    return [subset for subset in found if subset != ("negative",)]


def recipe_of(subset: tuple[str, ...], points: int) -> prompts.Recipe:
    """Give the prompts of a subset, with so many points of each kind."""
    return prompts.Recipe(
        "+".join(subset),
        box="jittered" if "box" in subset else None,
        positive=points if "positive" in subset else 0,
        negative=points if "negative" in subset else 0,
        mask="loose" if "mask" in subset else None,
    )
