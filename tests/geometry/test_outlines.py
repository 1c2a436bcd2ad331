import numpy as np
import pytest
import shapely

from app.geometry.outlines import OutlineOptions, outline_of
from app.geometry.windows import WindowGrid


def field(x: float, y: float, radius: float, side: int = 256) -> np.ndarray:
    """Raw values of a disc: distance to its border, positive inside."""
    columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return (radius - np.hypot(columns - x, rows - y)).astype(np.float32)


def test_an_outline_lies_where_the_grid_says() -> None:
    shape = outline_of(field(128, 64, 40), WindowGrid(1000, 2000, 2.0, 0.5), (512, 512))
    assert shape is not None
    assert shape.is_valid
    assert shape.centroid.x == pytest.approx(1000 + 2 * 2.0 * 128, abs=1)
    assert shape.centroid.y == pytest.approx(2000 + 2 * 0.5 * 64, abs=0.3)
    assert shape.area == pytest.approx(np.pi * 80**2, rel=0.01)


def test_holes_and_parts_are_chosen() -> None:
    ring = np.minimum(field(128, 128, 80), -field(128, 128, 40))
    both = np.maximum(ring, field(230, 128, 18))
    grid = WindowGrid(0, 0, 1, 1)
    filled = outline_of(both, grid, (256, 256))
    one = outline_of(both, grid, (256, 256), OutlineOptions(holes="keep", parts="largest"))
    assert isinstance(filled, shapely.Polygon | shapely.MultiPolygon)
    assert isinstance(one, shapely.Polygon)
    assert len(one.interiors) == 1


def test_no_object_has_no_outline() -> None:
    assert outline_of(np.full((64, 64), -1, np.float32), WindowGrid(0, 0, 1, 1), (64, 64)) is None
