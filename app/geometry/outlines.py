"""Outlines: from the model's raw values to the shape that the platform stores and a person can edit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from shapely import MultiPolygon, Polygon

from app.geometry.masks import clean_mask, mask_in_model_frame
from app.geometry.polygons import Holes, Parts, outline
from app.geometry.windows import WindowGrid

Style = Literal["smooth", "thesis"]


@dataclass(frozen=True, slots=True)
class OutlineOptions:
    """How an outline is to look."""

    holes: Holes = "fill"
    """What becomes of background that the object surrounds."""
    parts: Parts = "all"
    """Which components to outline."""
    style: Style = "smooth"
    detail: int | None = None
    """Most vertices; None leaves it to the style."""


def outline_of(
    logits: npt.NDArray[np.float32],
    grid: WindowGrid,
    shape: tuple[int, int],
    options: OutlineOptions = OutlineOptions(),
) -> Polygon | MultiPolygon | None:
    """Outline the object that raw values show.

    Parameters
    ----------
    logits : (h, w) float32
        Raw values over the whole window; above 0 is object.
    grid : WindowGrid
        Where the window's array lies on its slide.
    shape : (rows, columns)
        Of that array.
    options : OutlineOptions
        Holes, parts, style, vertices.

    Returns
    -------
    Polygon, MultiPolygon or None
        Slide frame, level-0 pixels; valid, not clipped to the slide. None if there is no object.
    """
    mask = clean_mask(mask_in_model_frame(logits))
    return outline(mask, grid.resized(shape, mask.shape), holes=options.holes, parts=options.parts)
