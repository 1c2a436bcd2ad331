import io

import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from app.geometry.frames import Roi, SlideXY
from app.geometry.windows import Region, Window, plan_window
from app.imagery.reader import SlideWindowReader, squared
from app.usecases.ports import Plane, Slide
from tests.strategies import slides_with_roi


class Ramp:
    """A slide whose red and green tell where a pixel lies: x and y over the slide's size."""

    def __init__(self, slide: Slide) -> None:
        self.slide = slide
        self.asked: list[tuple[Region, int]] = []

    def region(self, slide: Slide, plane: Plane, region: Region, length_px: int) -> bytes:
        self.asked.append((region, length_px))
        longer = max(region.width, region.height)
        width, height = (max(1, round(side * length_px / longer)) for side in (region.width, region.height))
        x = region.left + (np.arange(width) + 0.5) * region.width / width
        y = region.top + (np.arange(height) + 0.5) * region.height / height
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.round(255 * x / self.slide.width)[None, :]
        pixels[..., 1] = np.round(255 * y / self.slide.height)[:, None]
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png", compress_level=0)
        return file.getvalue()


def read(slide: Slide, roi: Roi, side_px: int = 256):
    source = Ramp(slide)
    window = plan_window(roi, slide.width, slide.height)
    return source, window, SlideWindowReader(source).read(slide, Plane(), window, side_px)


@given(slides_with_roi())
def test_windows_are_square_hold_the_box_and_never_ask_for_more_than_they_need(case) -> None:
    width, height, roi = case
    source, window, image = read(Slide(1, width, height, "a"), roi, 64)
    ((region, length),) = source.asked
    assert region == window.region
    assert 1 <= length <= min(64, max(region.width, region.height))
    rows, columns = image.pixels.shape[:2]
    assert rows == columns
    corners = image.grid.to_window(SlideXY(np.array([[roi.x_min, roi.y_min], [roi.x_max, roi.y_max]])))
    assert (corners >= -1e-6).all()
    assert (corners <= rows + 1e-6).all()


@pytest.mark.parametrize(
    ("slide", "roi"),
    [
        (Slide(1, 1000, 800, "a"), Roi(10, 10, 40, 30)),  # smaller than the model's input: full resolution
        (Slide(1, 1000, 800, "a"), Roi(300, 200, 700, 500)),
        (Slide(1, 1000, 100, "a"), Roi(300, 20, 500, 90)),  # narrower than the window
        (Slide(1, 60_000, 40_000, "a"), Roi(1000, 1000, 59_000, 39_000)),
        (Slide(1, 100, 1000, "a"), Roi(0, 900, 100, 1000)),
    ],
)
def test_pixels_lie_where_their_grid_says(slide: Slide, roi: Roi) -> None:
    _, _, image = read(slide, roi)
    rows, columns = np.indices(image.pixels.shape[:2]) + 0.5
    x = np.clip(image.grid.x0 + columns * image.grid.dx, 0, slide.width)
    y = np.clip(image.grid.y0 + rows * image.grid.dy, 0, slide.height)
    # 255 gray values over the slide, and the padding repeats the last pixel
    assert np.abs(image.pixels[..., 0] - 255 * x / slide.width).max() <= 0.5 + 255 * image.grid.dx / slide.width
    assert np.abs(image.pixels[..., 1] - 255 * y / slide.height).max() <= 0.5 + 255 * image.grid.dy / slide.height


def test_small_windows_are_read_at_full_resolution() -> None:
    source, window, image = read(Slide(1, 1000, 800, "a"), Roi(500, 400, 508, 406))
    assert source.asked == [(Region(496, 395, 16, 16), 16)]
    assert window.side_px0 == 16
    assert image.pixels.shape == (16, 16, 3)
    assert (image.grid.dx, image.grid.dy) == (1, 1)


@pytest.mark.parametrize(
    ("window", "shape"),
    [
        (Window(-70, -30, 200, Region(0, 0, 60, 120)), (96, 30)),  # dx = 2, dy = 1.25
        (Window(-30, -70, 200, Region(0, 0, 120, 60)), (30, 96)),
        (Window(-40, 500, 90, Region(0, 500, 33, 90)), (60, 11)),
        (Window(500, -40, 90, Region(500, 0, 90, 33)), (11, 60)),
    ],
)
def test_what_was_read_lies_where_it_was_though_its_pixels_are_no_squares(
    window: Window, shape: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (*shape, 3), dtype=np.uint8)
    image, region = squared(pixels, window), window.region
    grid, side = image.grid, image.pixels.shape[0]
    assert image.pixels.shape == (side, side, 3)
    assert (grid.dx, grid.dy) == (region.width / shape[1], region.height / shape[0])
    assert abs(grid.x0 - window.x0) <= grid.dx / 2
    assert abs(grid.y0 - window.y0) <= grid.dy / 2
    left, top = (region.left - grid.x0) / grid.dx, (region.top - grid.y0) / grid.dy
    assert (left, top) == (pytest.approx(round(left)), pytest.approx(round(top)))
    left, top = round(left), round(top)
    assert np.array_equal(image.pixels[top : top + shape[0], left : left + shape[1]], pixels)
    assert grid.x0 + side * grid.dx >= window.x0 + window.side_px0 - grid.dx / 2
    assert grid.y0 + side * grid.dy >= window.y0 + window.side_px0 - grid.dy / 2


def test_a_region_thinner_than_a_pixel_is_drawn_as_one() -> None:
    """Its own measure would make a square of as many pixels as the slide is long."""
    column = np.random.default_rng(3).integers(0, 255, (512, 1, 3), dtype=np.uint8)
    window = Window(-15_999, 0, 32_000, Region(0, 0, 2, 16_000))
    image = squared(column, window)
    assert image.pixels.shape == (1024, 1024, 3)
    assert (image.grid.dx, image.grid.dy) == (31.25, 31.25)
    assert (image.pixels[:512] == column).all()
    assert image.grid.y0 == 0
