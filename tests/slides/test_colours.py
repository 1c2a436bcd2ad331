"""Every way in which files store colours is seen as people expect: as Pillow shows it, on white where transparent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from slides import NotASlide, SlideFile, open_slide
from tests.slides.writing import DISC, GROUND, HEIGHT, WIDTH, Pixels, discs, gray, pyramid, tissue

GRAY_GROUND = int(gray()[0, 0])


def whole(file: Path) -> Pixels:
    """Read all of a small slide."""
    slide = open_slide(file)
    return slide.read(0, 0, slide.width, slide.height, (slide.width, slide.height)).astype(int)


def palette(file: Path) -> None:
    Image.fromarray(tissue()).quantize(8).save(file)


def palette_of_eight_bits(file: Path) -> None:
    map8 = np.zeros((3, 256), np.uint16)
    map8[:, 0], map8[:, 1] = GROUND, DISC
    tifffile.imwrite(file, discs().astype(np.uint8), photometric="palette", colormap=map8)


def cmyk(file: Path) -> None:
    Image.fromarray(tissue()).convert("CMYK").save(file)


def lab(file: Path) -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    ImageCms.profileToProfile(Image.fromarray(tissue()), *profiles, outputMode="LAB").save(file)


def ycbcr(file: Path) -> None:
    Image.fromarray(tissue()).convert("YCbCr").save(file)


def transparent(file: Path) -> None:
    alpha = np.where(discs(), 255, 0).astype(np.uint8)
    black = np.where(discs()[..., None], tissue(), 0).astype(np.uint8)
    pixels = np.dstack([black, alpha])
    if file.suffix == ".png":
        Image.fromarray(pixels).save(file)
    else:
        tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=["unassalpha"])


def premultiplied(file: Path) -> None:
    half = np.full((HEIGHT, WIDTH, 1), 128, np.uint8)
    tifffile.imwrite(file, np.dstack([tissue() // 2, half]), photometric="rgb", extrasamples=["assocalpha"])


def separate(file: Path) -> None:
    tifffile.imwrite(file, np.moveaxis(tissue(), 2, 0), photometric="rgb", planarconfig="separate", tile=(64, 64))


def jpeg_tiles(file: Path) -> None:
    tifffile.imwrite(file, tissue(), photometric="rgb", compression="jpeg", tile=(64, 64))


def big_endian(file: Path) -> None:
    tifffile.imwrite(file, tissue(), photometric="rgb", byteorder=">", bigtiff=True)


COLOURED: list[tuple[str, Callable[[Path], None], int]] = [
    ("palette.tif", palette, 2),
    ("palette8.tif", palette_of_eight_bits, 0),
    ("palette.png", palette, 2),
    ("cmyk.tif", cmyk, 1),
    ("cmyk.jpg", cmyk, 60),
    ("lab.tif", lab, 3),
    ("ycbcr.tif", ycbcr, 3),
    ("separate.tif", separate, 0),
    ("jpeg.tif", jpeg_tiles, 40),
    ("big.tif", big_endian, 0),
]


@pytest.mark.parametrize(("name", "write", "most"), COLOURED, ids=[name for name, _, _ in COLOURED])
def test_colours_are_those_of_the_picture(tmp_path: Path, name: str, write: Callable[[Path], None], most: int) -> None:
    write(tmp_path / name)
    found = whole(tmp_path / name)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert abs(found - tissue()).max() <= most
    assert abs(found[0, 0] - GROUND).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_what_is_transparent_is_white(tmp_path: Path, name: str) -> None:
    transparent(tmp_path / name)
    found = whole(tmp_path / name)
    assert (found[~discs()] == 255).all()
    assert (found[discs()] == DISC).all()


def test_premultiplied_colours_are_not_multiplied_again(tmp_path: Path) -> None:
    premultiplied(tmp_path / "a.tif")
    wanted = tissue() // 2 + 255 * (1 - 128 / 255)
    assert abs(whole(tmp_path / "a.tif") - wanted).max() <= 1


def test_the_lowest_value_may_be_white(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", 255 - gray(), photometric="miniswhite")
    tifffile.imwrite(tmp_path / "deep.tif", 65535 - gray().astype(np.uint16), photometric="miniswhite")
    assert (whole(tmp_path / "a.tif") == gray()).all()
    assert (whole(tmp_path / "deep.tif") == gray()).all()


@pytest.mark.parametrize(("photometric", "ground"), [("minisblack", 255), ("miniswhite", 0)])
def test_one_bit_is_black_and_white(tmp_path: Path, photometric: str, ground: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ~discs(), photometric=photometric)
    found = whole(tmp_path / "a.tif")
    assert (found[~discs()] == ground).all()
    assert (found[discs()] == 255 - ground).all()


def test_one_bit_pictures(tmp_path: Path) -> None:
    Image.fromarray(~discs()).save(tmp_path / "a.png")
    assert (whole(tmp_path / "a.png") == np.where(discs(), 0, 255)).all()


def test_gray_with_opacity(tmp_path: Path) -> None:
    pixels = np.dstack([np.zeros_like(gray()), np.where(discs(), 255, 0).astype(np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    assert (whole(tmp_path / "a.tif") == np.where(discs(), 0, 255)).all()


def test_what_nobody_knows_is_refused_with_its_reason(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(), photometric=32845)  # LogLuv
    with pytest.raises(NotASlide, match="LOGLUV"):
        open_slide(tmp_path / "a.tif")


def test_a_region_of_a_pyramid_comes_from_the_level_that_just_suffices(tmp_path: Path) -> None:
    """Its levels differ in colour, so that it shows which one was read."""
    levels = [np.full((512 >> each, 512 >> each, 3), 60 * each + 50, np.uint8) for each in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number, level in enumerate(levels):
            writer.write(level, tile=(128, 128), photometric="rgb", metadata=None, subfiletype=int(number > 0))
    slide = open_slide(tmp_path / "a.tif")
    assert slide.levels == ((512, 512), (256, 256), (128, 128))
    for size, value in ((512, 50), (300, 50), (256, 110), (128, 170), (64, 170)):
        assert (slide.read(0, 0, 512, 512, (size, size)) == value).all()


def test_pictures_that_are_no_levels_are_left_out(tmp_path: Path) -> None:
    pyramid(tmp_path / "a.tif", tissue(1024, 640))
    with tifffile.TiffWriter(tmp_path / "a.tif", append=True) as writer:
        writer.write(np.zeros((300, 300, 3), np.uint8), photometric="rgb", metadata=None, subfiletype=1)
    slide: SlideFile = open_slide(tmp_path / "a.tif")
    assert slide.levels == ((1024, 640), (512, 320), (256, 160))
    assert (cv2.resize(tissue(1024, 640), (64, 40), interpolation=cv2.INTER_AREA) == slide.read(
        0, 0, 1024, 640, (64, 40))).mean() > 0.95  # fmt: skip
