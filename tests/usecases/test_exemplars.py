from __future__ import annotations

import pytest
import shapely

from app.usecases.exemplars import Exemplars


def test_the_usual_size_is_the_geometric_mean_of_width_and_of_height() -> None:
    shapes = tuple(shapely.box(0, 0, width, height) for width, height in ((10, 40), (20, 20), (40, 10)))
    exemplars = Exemplars(shapes, (), None)
    assert exemplars.size_px0 == pytest.approx((20, 20))
    assert exemplars.tiling().side_px0 == 100
    odd = Exemplars((*shapes[1:2] * 2, shapely.box(0, 0, 160, 20)), (), None)
    assert odd.size_px0 == pytest.approx((40, 20))
