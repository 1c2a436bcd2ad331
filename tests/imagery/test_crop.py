"""A crop is a window of its own: it says where it lies, and keeps only what the model can see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.errors import BrokenImage
from app.geometry.frames import Roi
from app.geometry.windows import Window, plan_window
from app.imagery.crop import CropWindowReader
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Slide
from app.usecases.refine_crop import RefineCrop
from app.usecases.timings import Stopwatch
from tests.fakes.rooms import DarkSegmenter

SLIDE = Slide(0, 1000, 800, "")
BOX = Roi(420, 320, 580, 440)


def crop(width: int = 310, height: int = 310) -> bytes:
    """Core simplifies before it cuts, so that a crop is a little smaller than the window of its box."""
    file = io.BytesIO()
    pixels = np.full((height, width, 3), 250, np.uint8)
    pixels[height // 3 : -height // 3, width // 3 : -width // 3] = 40
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def test_the_window_is_the_one_that_was_cut() -> None:
    reader, segmenter = CropWindowReader(crop(), BOX, SLIDE, 256), DarkSegmenter()
    encoded = Embeddings(reader, segmenter, plan=reader.plan).get(SLIDE, Plane(), BOX, Stopwatch(), Claim())
    assert encoded.window == reader.plan(BOX, SLIDE.width, SLIDE.height)
    assert encoded.window.side_px0 == 310
    assert encoded.window != plan_window(BOX, SLIDE.width, SLIDE.height)
    assert (encoded.grid.x0, encoded.grid.y0) == (encoded.window.x0, encoded.window.y0)
    assert encoded.grid.dx * encoded.shape[1] == pytest.approx(310)


def test_another_window_is_not_to_be_had() -> None:
    reader = CropWindowReader(crop(), BOX, SLIDE, 256)
    with pytest.raises(AssertionError):
        reader.read(SLIDE, Plane(), plan_window(BOX, SLIDE.width, SLIDE.height), 256)


def test_a_crop_is_reduced_to_what_the_model_sees() -> None:
    reader = CropWindowReader(crop(), BOX, SLIDE, 100)
    window: Window = reader.plan(BOX, SLIDE.width, SLIDE.height)
    assert reader.read(SLIDE, Plane(), window, 100).pixels.shape == (100, 100, 3)


@pytest.mark.parametrize(("width", "height"), [(1001, 10), (10, 801)])
def test_a_crop_larger_than_its_slide_is_refused(width: int, height: int) -> None:
    with pytest.raises(BrokenImage, match="larger than its slide"):
        CropWindowReader(crop(width, height), BOX, SLIDE, 256)


def test_an_error_of_ours_is_not_called_a_broken_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr("app.imagery.crop.squared", fail)
    with pytest.raises(ValueError, match="ours"):
        CropWindowReader(crop(), BOX, SLIDE, 256)


def test_a_shape_is_refined_with_its_crop() -> None:
    refine = RefineCrop(CropWindowReader, DarkSegmenter())
    location = "POLYGON ((420 360, 580 360, 580 480, 420 480, 420 360))"
    found = refine(crop(), location, SLIDE.width, SLIDE.height, Claim())
    assert found.changed
    assert found.shape.centroid.x == pytest.approx(500, abs=1)
    assert found.shape.centroid.y == pytest.approx(421, abs=1)  # half a pixel higher, and rounded up
