"""Mask prompts as a checkpoint learned them: which values they hold, and whether it learned them at all.

A model that learned from raw values (logits) of -6.9 and 6.9 takes a mask of 0 and 1 for a weak hint, and the other way
round. So the values belong to the checkpoint, and its card tells them::

    "mask_prompt": {"learned": true, "outside": 0.0, "inside": 1.0}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import WeightsCorrupt
from app.segmenter.weights.card import card_of, read_card

if TYPE_CHECKING:
    from torch import Tensor

RAW = (-6.9, 6.9)
"""Logits of 0.001 and 0.999: what SAM's own masks look like that are given back to it, and what our recipe trains."""
BINARY = (0.0, 1.0)
"""What the thesis trains and tests with; source: its author's code, ``src/dataset_processing/dataset.py``."""
CARD_MEMBER = "mask_prompt"


@dataclass(frozen=True, slots=True)
class MaskPrompts:
    """How a checkpoint learned mask prompts."""

    outside: float = RAW[0]
    inside: float = RAW[1]
    learned: bool | None = None
    """False: its mask branch was never trained, and says nothing. None: nobody says."""

    def values(self, shares: Tensor) -> Tensor:
        """Bring shares of object, 0 to 1, to what a prompt encoder takes; pixels on a border lie between."""
        return self.outside + shares * (self.inside - self.outside)

    def on_a_card(self) -> dict[str, Any]:
        """Give the member of a card."""
        return {"learned": self.learned, "outside": self.outside, "inside": self.inside}


UNTOLD = MaskPrompts()
OF_THE_THESIS = MaskPrompts(*BINARY, learned=True)


def read_mask_prompts(content: object) -> MaskPrompts:
    """Read the member of a card; without one, nobody says.

    Raises
    ------
    ValueError
        It is of another form.
    """
    if content is None:
        return UNTOLD
    if not isinstance(content, dict) or content.keys() - {"learned", "outside", "inside"}:
        raise ValueError(f"{CARD_MEMBER} should hold learned, outside and inside")
    learned = content.get("learned")
    values = [content.get(name, default) for name, default in zip(("outside", "inside"), RAW, strict=True)]
    if learned not in {True, False, None} or not all(type(value) in {int, float} for value in values):
        raise ValueError(f"{CARD_MEMBER} holds an unknown value")
    if not all(abs(value) <= 100 for value in values):
        raise ValueError(f"{CARD_MEMBER} holds a value beyond 100")
    return MaskPrompts(float(values[0]), float(values[1]), learned)


def of_values(values: tuple[float, float]) -> MaskPrompts:
    """Give what a recipe trains."""
    return MaskPrompts(*values, learned=True)


def mask_prompts_of(checkpoint: Path) -> MaskPrompts:
    """Read how a checkpoint learned mask prompts from its card; without one, nobody says.

    Raises
    ------
    WeightsCorrupt
        The card says something that is of no use.
    """
    file = card_of(checkpoint)
    if read_card(checkpoint) is None:  # refuses anything but a card
        return UNTOLD
    try:
        return read_mask_prompts(json.loads(file.read_text(encoding="utf-8")).get(CARD_MEMBER))
    except ValueError as error:
        raise WeightsCorrupt(f"{file} is not the card of a checkpoint: {error}.") from error
