"""Pictures that say how they lie are seen upright, wherever a region of them is read."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import given
from PIL import Image, ImageOps

from slides import Box, open_slide
from slides.source import Piece, Plane
from slides.turned import Turned, swaps
from tests.slides.writing import tissue

WAYS = range(1, 9)


def upright(pixels: np.ndarray, way: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = way
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "strips.tif", "tiles.tif"])
def test_every_way_to_lie(tmp_path: Path, way: int, name: str) -> None:
    file = tmp_path / name
    if name.endswith("tif"):
        tile = (64, 64) if name.startswith("tiles") else None
        tifffile.imwrite(file, tissue(), photometric="rgb", tile=tile, extratags=[(274, 3, 1, way, True)])
    else:
        exif = Image.Exif()
        exif[0x0112] = way
        Image.fromarray(tissue()).save(file, exif=exif, quality=100, subsampling=0)
    slide, wanted = open_slide(file), upright(tissue(), way)
    assert (slide.height, slide.width) == wanted.shape[:2]
    found = slide.read(0, 0, slide.width, slide.height, (slide.width, slide.height))
    assert abs(found.astype(int) - wanted).max() <= (12 if name.endswith("jpg") else 0)
    stored = open_slide(file, turned=False)
    assert (stored.width, stored.height) == (240, 160)
    assert abs(stored.read(0, 0, 240, 160, (240, 160)).astype(int) - tissue()).max() <= 12


def test_what_is_no_way_to_lie(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(), photometric="rgb", extratags=[(274, 3, 1, 99, True)])
    assert open_slide(tmp_path / "a.tif").width == 240


class Stored:
    """Numbered pixels, of which one is damaged."""

    def __init__(self, height: int, width: int, damaged: Box) -> None:
        self.pixels, self._damaged = np.arange(height * width, dtype=np.uint16).reshape(height, width), damaged

    def region(self, level: int, x: int, y: int, width: int, height: int, plane: Plane) -> Piece:
        cut = self._damaged.cut(Box(x, y, width, height))
        return Piece(self.pixels[y : y + height, x : x + width], (cut,) if cut else ())


@given(st.integers(2, 8), st.integers(1, 9), st.integers(1, 9), st.data())
def test_regions_lie_where_they_should(way: int, height: int, width: int, data: st.DataObject) -> None:
    column, row = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    stored = Stored(height, width, Box(column, row, 1, 1))
    whole = upright(stored.pixels, way)
    assert swaps(way) == (way > 4)
    x, y = data.draw(st.integers(0, whole.shape[1] - 1)), data.draw(st.integers(0, whole.shape[0] - 1))
    w, h = data.draw(st.integers(1, whole.shape[1] - x)), data.draw(st.integers(1, whole.shape[0] - y))
    piece = Turned(stored, way, ((width, height),)).region(0, x, y, w, h, (0, 0, 0))
    assert (piece.pixels == whole[y : y + h, x : x + w]).all()
    for box in piece.damaged:
        assert whole[box.top, box.left] == stored.pixels[row, column]
