"""Values of more than 8 bits: never lost, shown stretched, and the stretch is told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from slides import Box, open_slide
from slides.display import as_seen
from tests.slides.writing import HEIGHT, WIDTH, Pixels, discs, gray, tissue

ALL = Box(0, 0, WIDTH, HEIGHT)


def seen(file: Path) -> Pixels:
    return as_seen(open_slide(file), ALL, (WIDTH, HEIGHT)).astype(int)


def raw(file: Path) -> Pixels:
    return open_slide(file).read(0, 0, WIDTH, HEIGHT, (WIDTH, HEIGHT))


@pytest.mark.parametrize("name", ["dark.tif", "dark.png"])
def test_sixteen_bits_are_kept_and_shown_stretched(tmp_path: Path, name: str) -> None:
    """As a camera of 12 bits stores them: unstretched, all of it is black, or cut off white."""
    values = np.where(discs(), 1500, 300).astype(np.uint16)
    if name.endswith("png"):
        Image.fromarray(values).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, values, photometric="minisblack")
    assert (raw(tmp_path / name) == values).all()
    assert (seen(tmp_path / name) == np.where(discs(), 255, 0)[..., None]).all()


def test_twelve_packed_bits(tmp_path: Path) -> None:
    values = np.where(discs(), 4095, 100).astype(np.uint16)
    _packed_twelve(tmp_path / "a.tif", values)
    assert (raw(tmp_path / "a.tif") == values).all()


def _packed_twelve(file: Path, values: Pixels) -> None:
    """Write 12 bits a pixel by hand: tifffile reads them, and does not write them."""
    pairs = values.reshape(-1, 2).astype(np.uint32)
    packed = (pairs[:, 0] << 12) | pairs[:, 1]
    data = np.stack([packed >> 16, packed >> 8, packed], 1).astype(np.uint8).tobytes()
    tifffile.imwrite(file, np.frombuffer(data, np.uint8).reshape(HEIGHT, -1), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(file, mode="r+") as opened:
        tags = opened.pages.first.tags
        tags["ImageWidth"].overwrite(WIDTH)
        tags["BitsPerSample"].overwrite(12)


def test_colours_of_sixteen_bits(tmp_path: Path) -> None:
    values = tissue().astype(np.uint16) * 16 + 7
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    assert (raw(tmp_path / "a.tif") == values).all()
    found = seen(tmp_path / "a.tif")
    assert (found[discs()] == 0).all()  # each channel from its lowest to its highest value
    assert (found[~discs()] == 255).all()


def test_a_png_of_deep_colours(tmp_path: Path) -> None:
    values = tissue().astype(np.uint16) * 16 + 7
    cv2.imwrite(str(tmp_path / "a.png"), values[..., ::-1])
    assert open_slide(tmp_path / "a.png").bits == 16
    assert (raw(tmp_path / "a.png") == values).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint32, np.int8], ids=str)
@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
def test_other_numbers_are_stretched_and_the_stretch_is_told(
    tmp_path: Path, dtype: type, tile: tuple[int, int] | None
) -> None:
    values = np.where(discs(), -3 if np.issubdtype(dtype, np.signedinteger) else 0, 100).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        values /= np.dtype(dtype).type(100)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", tile=tile)
    slide = open_slide(tmp_path / "a.tif")
    assert slide.stretch == f"values from {values.min():g} to {values.max():g} are shown as 0 to 65535"
    assert (raw(tmp_path / "a.tif") == np.where(discs(), 0, 65535)).all()


def test_what_is_no_number_is_black(tmp_path: Path) -> None:
    values = np.where(discs(), np.nan, gray() / 255).astype(np.float32)
    values[0, 0], values[0, 1], values[0, 2] = np.inf, -np.inf, 0.1
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    found = raw(tmp_path / "a.tif")
    assert (found[discs()] == 0).all()
    assert (found[0, 0], found[0, 1]) == (65535, 0)
    assert "nan" not in str(open_slide(tmp_path / "a.tif").stretch)


def test_eight_bits_stay_as_they_are(tmp_path: Path) -> None:
    faint = np.where(discs(), 100, 120).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", faint, photometric="minisblack")
    slide = open_slide(tmp_path / "a.tif")
    assert slide.stretch is None
    assert (seen(tmp_path / "a.tif") == faint[..., None]).all()


def channels(file: Path, count: int, **metadata: object) -> Pixels:
    """Write channels, of which each has a square of its own."""
    stack = np.zeros((count, 40, 40 * count), np.uint16)
    for each in range(count):
        stack[each, :, 40 * each : 40 * each + 40] = 100 * (each + 1)
    tifffile.imwrite(file, stack, photometric="minisblack", ome=True, metadata={"axes": "CYX", **metadata})
    return stack


def test_channels_are_seen_in_the_colours_that_the_file_says(tmp_path: Path) -> None:
    cyan, orange, gray_, red = 0x00FFFFFF, 0xFF8000FF - 2**32, 0x808080FF - 2**32, 0xFF0000FF - 2**32
    told = {"Channel": {"Color": [cyan, orange, gray_, red], "Name": ["DAPI", "a", "b", "c"]}}
    stack = channels(tmp_path / "a.ome.tif", 4, **told)
    slide = open_slide(tmp_path / "a.ome.tif")
    assert slide.planes == (4, 1, 1)
    assert slide.colours == ((0, 255, 255), (255, 128, 0), (128, 128, 128), (255, 0, 0))
    found = as_seen(slide, Box(0, 0, 160, 40), (160, 40))
    assert [found[20, x].tolist() for x in (20, 60, 100, 140)] == [list(each) for each in slide.colours]
    for channel in range(4):
        assert (slide.read(0, 0, 160, 40, (160, 40), (channel, 0, 0)) == stack[channel]).all()


def test_two_channels_without_colours_are_red_and_green(tmp_path: Path) -> None:
    channels(tmp_path / "a.ome.tif", 2, Channel={"Name": ["DAPI", "GFP"]})
    found = as_seen(open_slide(tmp_path / "a.ome.tif"), Box(0, 0, 80, 40), (80, 40))
    assert [found[20, x].tolist() for x in (20, 60)] == [[255, 0, 0], [0, 255, 0]]


def test_red_green_and_blue_as_channels_are_one_picture(tmp_path: Path) -> None:
    options = {"photometric": "minisblack", "ome": True}
    for name, told in (("named", {"Channel": {"Name": ["Red", "Green", "Blue"]}}), ("nameless", {})):
        file = tmp_path / f"{name}.ome.tif"
        tifffile.imwrite(file, np.moveaxis(tissue(), 2, 0), metadata={"axes": "CYX", **told}, **options)
        slide = open_slide(file)
        assert (slide.samples, slide.planes) == (3, (1, 1, 1))
        assert (seen(file) == tissue()).all()
    stains = tmp_path / "stains.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "RFP"]}}
    tifffile.imwrite(stains, np.moveaxis(tissue(), 2, 0), metadata=metadata, **options)
    assert (open_slide(stains).samples, open_slide(stains).planes) == (1, (3, 1, 1))


def test_each_plane_of_stacks_however_they_are_stored(tmp_path: Path) -> None:
    stack = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(4, 3, 2, 1, 1) * np.ones((1, 1, 1, 32, 48), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, photometric="minisblack", metadata={"axes": "TZCYX"})
    tifffile.imwrite(tmp_path / "imagej.tif", stack, photometric="minisblack", imagej=True, metadata={"axes": "TZCYX"})
    tifffile.imwrite(
        tmp_path / "packed.ome.tif", stack, photometric="minisblack", compression="deflate", metadata={"axes": "TZCYX"}
    )
    for name in ("a.ome.tif", "imagej.tif", "packed.ome.tif"):
        slide = open_slide(tmp_path / name)
        assert slide.planes == (2, 3, 4), name
        for c, z, t in ((0, 0, 0), (1, 0, 0), (0, 2, 0), (1, 1, 3)):
            assert (slide.read(0, 0, 48, 32, (48, 32), (c, z, t)) == stack[t, z, c]).all(), (name, c, z, t)


def test_samples_that_are_channels(tmp_path: Path) -> None:
    stack = np.dstack([gray() // (each + 1) for each in range(5)])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", planarconfig="contig", metadata=None)
    slide = open_slide(tmp_path / "a.tif")
    assert slide.planes == (5, 1, 1)
    for channel in range(5):
        found = slide.read(0, 0, WIDTH, HEIGHT, (WIDTH, HEIGHT), (channel, 0, 0))
        assert (found == stack[..., channel]).all()


def test_gray_becomes_three_equal_colours(tmp_path: Path) -> None:
    Image.fromarray(gray()).save(tmp_path / "a.png")
    assert (seen(tmp_path / "a.png") == gray()[..., None]).all()
