"""A slide whose objects are known without looking: their edges lie on a grid that is the coarser the larger they are.

People draw loosely around such an object, and the simulated model finds it again from the box alone. So every outline
that is written can be checked, a refine of an outline gives the same outline, and its window is another one than that
of the loose box, as it is with real objects (decision 0016).
"""

from __future__ import annotations

import math

import numpy as np

from app.geometry.frames import Roi

Rng = np.random.Generator

_PITCHES_PX0 = (32, 64, 128, 256)
"""Objects have sides of two or three pitches: 64 to 768 pixels, as nuclei under magnification and glands do."""
_LOOSE = (0.1, 0.45)
"""How far a box lies beyond its object on each side, in pitches: 3 to 22 % of a side. Below a half, so that rounding
finds the edge again."""


def random_object(rng: Rng, width: int, height: int) -> Roi:
    """Choose an object of a slide, slide frame."""
    fit = [pitch for pitch in _PITCHES_PX0 if 8 * pitch <= min(width, height)]
    if not fit:
        raise ValueError(f"A slide of {width} x {height} pixels is too small for objects.")
    pitch = int(rng.choice(fit))
    columns, rows = (int(side) for side in rng.integers(2, 4, 2))
    left = pitch * int(rng.integers(1, width // pitch - columns))
    top = pitch * int(rng.integers(1, height // pitch - rows))
    return Roi(left, top, left + pitch * columns, top + pitch * rows)


def drawn_around(rng: Rng, thing: Roi) -> Roi:
    """Draw a loose box around an object."""
    pitch = pitch_of(thing)
    left, top, right, bottom = np.round(rng.uniform(*_LOOSE, 4) * pitch, 1).tolist()
    return Roi(thing.x_min - left, thing.y_min - top, thing.x_max + right, thing.y_max + bottom)


def object_in(box: Roi) -> Roi:
    """Find the object that a box was drawn around, or that an outline is of."""
    pitch = pitch_of(box)
    x0, y0, x1, y1 = (pitch * round(edge / pitch) for edge in (box.x_min, box.y_min, box.x_max, box.y_max))
    return Roi(x0, y0, max(x1, x0 + pitch), max(y1, y0 + pitch))


def pitch_of(box: Roi) -> float:
    """Give the grid's pitch for things of a size: half the power of two below the longer side.

    An outline that falls a hair short of a power of two gets half the pitch, on which the same edges lie.
    """
    return float(2.0 ** math.floor(math.log2(box.longer_side)) / 2)
