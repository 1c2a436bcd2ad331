from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from app.geometry.overview import TILE_PX, overviews, tissue_in
from app.geometry.tiles import Tile, Tiling
from app.geometry.windows import WindowGrid, WindowImage, window_at

WIDTH, HEIGHT = 9000, 5000


def tiles_of(side: int, *box: float) -> list[Tile]:
    return Tiling(side, side // 4).cover(shapely.box(*box), WIDTH, HEIGHT)


def seen(pixels: np.ndarray, downsample: float = 4.0) -> WindowImage:
    return WindowImage(pixels, WindowGrid(0, 0, downsample, downsample))


@given(
    st.integers(16, 1024),
    st.tuples(st.integers(0, 8000), st.integers(0, 4000), st.integers(20, 3000), st.integers(20, 3000)),
)
def test_each_tile_is_in_one_overview_of_bounded_size(side: int, place: tuple[int, int, int, int]) -> None:
    x, y, width, height = place
    tiles = tiles_of(side, x, y, min(x + width, WIDTH), min(y + height, HEIGHT))
    found = overviews(tiles, WIDTH, HEIGHT)
    assert sorted(at for each in found for at in each.tiles) == list(range(len(tiles)))
    for each in found:
        assert each.side_px <= 14 * TILE_PX
        whole = each.window.region
        for at in each.tiles:
            region = tiles[at].window.region
            assert whole.left <= region.left
            assert whole.top <= region.top
            assert region.left + region.width <= whole.left + whole.width
            assert region.top + region.height <= whole.top + whole.height


def test_a_tile_has_so_many_pixels_in_an_overview_and_never_more_than_on_the_slide() -> None:
    (large,) = overviews(tiles_of(1024, 0, 0, 1700, 1700), WIDTH, HEIGHT)
    assert large.side_px / large.window.side_px0 == pytest.approx(TILE_PX / 1024, rel=0.01)
    (small,) = overviews(tiles_of(20, 0, 0, 50, 50), WIDTH, HEIGHT)
    assert small.side_px == small.window.side_px0


def test_noise_is_glass_and_a_small_dark_object_is_not() -> None:
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal((238, 240, 244), 4, (64, 128, 3)), 0, 255).astype(np.uint8)
    left, right = window_at(0, 0, 256, 512, 256), window_at(256, 0, 256, 512, 256)
    assert tissue_in(seen(pixels), [left, right]) == [0.0, 0.0]
    pixels[30:33, 90:93] -= 70
    shares = tissue_in(seen(pixels), [left, right])
    assert shares[0] == 0.0
    assert 0.0 < shares[1] < 0.1


@pytest.mark.parametrize("glass", [0, 240])
def test_tissue_all_over_is_told_from_a_little_whatever_the_glass_looks_like(glass: int) -> None:
    rng = np.random.default_rng(1)
    pixels = np.full((64, 64, 3), glass, np.uint8)
    pixels[:, 20:, 2] = rng.integers(60, 200, (64, 44)).astype(np.uint8)
    whole, edge = window_at(0, 0, 256, 256, 256), window_at(0, 0, 100, 256, 256)
    of_whole, of_edge = tissue_in(seen(pixels), [whole, edge])
    assert of_whole > 0.6
    assert 0.0 < of_edge < 0.5


def test_what_gets_darker_slowly_all_over_a_tile_is_not_glass() -> None:
    pixels = np.repeat(np.linspace(200, 240, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    (share,) = tissue_in(seen(pixels), [window_at(0, 0, 256, 256, 256)])
    assert 0.0 < share < 0.01


def test_a_window_thinner_than_a_pixel_of_the_overview_is_looked_at() -> None:
    pixels = np.full((8, 8, 3), 240, np.uint8)
    assert tissue_in(seen(pixels, 100.0), [window_at(799, 799, 20, 800, 800)]) == [0.0]
