"""What is measured of a mask, under the names of `thesis.csv`."""

from __future__ import annotations

from training.evaluation.metrics import AUTHORS_SHAPE, SHAPE

OF_THE_AUTHOR = AUTHORS_SHAPE
SHAPES = tuple(name for name in SHAPE if name != "components")
