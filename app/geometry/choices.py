"""Names of masks and of kinds of prompts. Nothing is imported here: cards are read where no array is known."""

from __future__ import annotations

from typing import Literal

Taken = Literal["single", 0, 1, 2]
"""A mask of the decoder: that of its single-mask token, or one of its three proposals."""
Proposal = Literal["best", "single", 0, 1, 2]
"""What may be asked for: the proposal of the highest score, or a mask by its name."""
PromptKind = Literal["box", "1 positive", "2+ positive", "1 negative", "2+ with negative"]
"""Prompts by number and kind: a box alone, or with points, of which the last two kinds have one on the background."""
