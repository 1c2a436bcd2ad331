"""COCO's run lengths: how many pixels off, then on, then off again, down the columns; as numbers or as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.geometry.masks import BoolMask
from training.dataset.shapes import Unusable

MOST_PIXELS = 400_000_000
_BITS, _SIGN, _MORE, _FIRST = 0x1F, 0x10, 0x20, 48
_LONGEST = 13
"""Characters of a number of 64 bits."""


def mask_of_runs(segmentation: dict[str, Any], width: int, height: int) -> BoolMask:
    """Read run lengths, (height, width) bool.

    Parameters
    ----------
    segmentation : dict
        With `size` (height, width) and `counts`, a list of numbers or the text that COCO's tools make of one.
    width, height : int
        Of the image.

    Raises
    ------
    Unusable
        They contradict themselves, or the image.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise Unusable(f"its run lengths are for an image of {_told(size)}, and this one has {width} x {height}")
    if width * height > MOST_PIXELS:
        raise Unusable(f"its image has more than {MOST_PIXELS:,} pixels, too many for run lengths")
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(run, int) and not isinstance(run, bool) for run in runs):
        raise Unusable("its run lengths are neither numbers nor text of COCO's kind")
    if min(runs, default=-1) < 0 or sum(runs) != width * height:
        raise Unusable("its run lengths do not fill its image")
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool)
    return np.ascontiguousarray(values.reshape(width, height).T)


def _told(size: Any) -> str:
    if isinstance(size, list) and len(size) == 2 and all(isinstance(each, int) for each in size):
        return f"{size[1]} x {size[0]}"
    return "no size"


def _decompressed(text: str) -> list[int]:
    """Decode text: five bits a character, each run from the fourth on told by its change."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 2 * _MORE or shift > 5 * _LONGEST:
            raise Unusable("the text of its run lengths is damaged")
        value |= (bits & _BITS) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise Unusable("the text of its run lengths is cut off")
    return runs
