"""Real files that once went wrong, where they lie beside the project; each kind has tests that write it, too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from slides import Box, DamagedPixels, open_slide
from slides.display import as_seen
from tests.slides.writing import Pixels

CASES = Path(__file__).resolve().parents[3] / "shared" / "findings" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="no cases beside the project (../shared/findings/cases)")


def seen(file: Path) -> Pixels:
    slide = open_slide(file)
    size = (slide.width, slide.height)
    return as_seen(slide, Box(0, 0, *size), size).astype(int)


def on_white(file: Path) -> Pixels:
    """Give a picture as Pillow shows it."""
    with Image.open(file) as image:
        if image.mode == "LAB":
            profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
        elif image.mode == "RGBA":
            shown = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        else:
            shown = image
        return np.asarray(shown.convert("RGB")).astype(int)


@pytest.mark.parametrize("file", sorted((CASES / "13-photometric").glob("*")), ids=lambda file: file.name)
def test_photometric(file: Path) -> None:
    assert abs(seen(file) - on_white(file)).max() <= 1


@pytest.mark.parametrize("name", ["fluorescence.tif", "fluorescence.png", "float01.tif", "rgb16.tif"])
def test_sixteen_bits(name: str) -> None:
    found = seen(CASES / "12-sixteen-bits" / name)
    assert (found.min(), found.max()) == (0, 255)


def test_rgb_as_channels() -> None:
    tissue = on_white(CASES / "01-changed-outline" / "slide.png")
    assert abs(seen(CASES / "11-rgb-as-channels" / "he.ome.tif") - tissue).max() == 0


def test_ome_pyramid() -> None:
    slide = open_slide(CASES / "09-ome-pyramid" / "pyramid.ome.tif")
    assert slide.levels == ((2048, 2048), (1024, 1024), (512, 512))
    assert slide.microns_per_pixel == 0.5


def test_one_bad_tile() -> None:
    slide = open_slide(CASES / "10-one-bad-tile" / "slide.tif")
    with pytest.raises(DamagedPixels):
        slide.read(0, 0, 100, 100, (100, 100))
    assert slide.read(600, 600, 100, 100, (100, 100)).std() > 0


@pytest.mark.parametrize("name", ["binary_only", "comma", "negative"])
def test_ome_metadata(name: str) -> None:
    file = CASES / "18-ome-metadata" / f"{name}.ome.tif"
    assert open_slide(file).microns_per_pixel is None
    assert abs(seen(file) - on_white(CASES / "01-changed-outline" / "slide.png")).max() == 0


@pytest.mark.parametrize("case", ["08-exif", "08-exif-coco"])
def test_turned_pictures(case: str) -> None:
    file = CASES / case / "slide.jpg"
    turned, stored = open_slide(file), open_slide(file, turned=False)
    with Image.open(file) as image:
        assert (stored.width, stored.height) == image.size
        swapped = image.getexif()[0x0112] > 4
    assert (turned.width, turned.height) == ((stored.height, stored.width) if swapped else image.size)
    if case.endswith("coco"):
        told = json.loads((CASES / case / "coco.json").read_text())["images"][0]
        sizes = {(each.width, each.height) for each in (turned, stored)}
        assert (told["width"], told["height"]) in sizes


@pytest.mark.parametrize("name", ["S1 #2 (HE).png", "slide%20A.png", "which?.png"])
def test_names_with_signs(name: str) -> None:
    assert seen(CASES / "14-names-with-signs" / name).shape == (160, 240, 3)
