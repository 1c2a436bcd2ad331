"""When the window cuts an outline off, and what is told where nothing is known of the pixels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from app.geometry.frames import Roi
from app.geometry.masks import Masks
from app.geometry.windows import WindowGrid, plan_window, window_at
from app.usecases.answer import Answer
from app.usecases.look import Look, parts_of
from app.usecases.ports import EncodedWindow, Slide
from tests.fakes.rooms import DarkEmbedding

SLIDE = Slide(5, 1000, 800, "slide.tif")
ANSWER = Answer(Masks(np.zeros((3, 4, 4), np.float32), np.zeros(3, np.float32)))


def look(shape: shapely.Polygon | None, x0: int = 300, y0: int = 300, side: int = 200) -> Look:
    window = window_at(x0, y0, side, SLIDE.width, SLIDE.height)
    encoded = EncodedWindow(window, DarkEmbedding(np.zeros((4, 4), bool)), WindowGrid(x0, y0, 1, 1), (side, side))
    return Look(encoded, ANSWER, 0, shape)


@pytest.mark.parametrize(
    ("bounds", "is_cut"),
    [
        ((350, 350, 450, 450), False),
        ((300, 350, 450, 450), True),
        ((350, 301, 450, 450), True),
        ((350, 350, 499, 450), True),
        ((350, 350, 450, 500), True),
        ((303, 303, 497, 497), False),
    ],
)
def test_an_outline_at_the_windows_edge_is_cut(bounds: tuple[float, ...], is_cut: bool) -> None:
    seen = look(shapely.box(*bounds))
    assert seen.is_cut(SLIDE) == is_cut
    wider = seen.further(SLIDE)
    assert (wider is not None) == is_cut
    if wider:
        window = plan_window(wider, SLIDE.width, SLIDE.height)
        assert window.side_px0 == 400
        assert window.holds(Roi(*bounds))
        assert not Look(
            EncodedWindow(window, seen.encoded.embedding, seen.encoded.grid, (4, 4)), ANSWER, 0, seen.shape
        ).is_cut(SLIDE)


@pytest.mark.parametrize(("x0", "y0"), [(0, 0), (800, 600), (0, 600), (800, 0)])
def test_the_slides_corner_cuts_nothing_off(x0: int, y0: int) -> None:
    corner = shapely.box(
        max(x0, 0) and x0 + 60, y0 and y0 + 60, x0 + (140 if not x0 else 200), y0 + (140 if not y0 else 200)
    )
    assert not look(corner, x0, y0).is_cut(SLIDE)


def test_what_was_not_found_is_not_cut_and_was_not_seen() -> None:
    nothing = look(None)
    assert not nothing.is_cut(SLIDE)
    assert nothing.further(SLIDE) is None
    assert nothing.sight(Roi(350, 350, 450, 450)) is None
    assert parts_of(None) == 0
    assert parts_of(shapely.box(0, 0, 1, 1)) == 1
    assert parts_of(shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)])) == 2
