"""Generators of slides, boxes, grids and masks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.geometry.frames import Roi
from app.geometry.windows import WindowGrid

masks = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: hnp.arrays(np.bool_, shape)
)
sizes = st.integers(8, 120_000)
grids = st.builds(
    WindowGrid,
    x0=st.floats(-1e4, 1e5),
    y0=st.floats(-1e4, 1e5),
    dx=st.floats(0.01, 128),
    dy=st.floats(0.01, 128),
)


@st.composite
def slides_with_roi(draw: st.DrawFn) -> tuple[int, int, Roi]:
    """A slide's width and height, and a box of at least 2 pixels inside it."""
    width, height = draw(sizes), draw(sizes)
    x = sorted(draw(st.lists(st.floats(0, width), min_size=2, max_size=2)))
    y = sorted(draw(st.lists(st.floats(0, height), min_size=2, max_size=2)))
    roi = Roi(
        min(x[0], width - 2),
        min(y[0], height - 2),
        max(x[1], min(x[0], width - 2) + 2),
        max(y[1], min(y[0], height - 2) + 2),
    )
    return width, height, roi
