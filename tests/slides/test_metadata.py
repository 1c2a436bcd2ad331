"""What files say of themselves wrongly counts as not said, and never hides their pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from slides import open_slide
from slides.facts import believed, power_of
from tests.slides.writing import HEIGHT, WIDTH, aperio, ome_pyramid, tissue

OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="240" SizeY="160" SizeC="3" SizeZ="1" SizeT="1" '
    '{}><Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData/></Pixels></Image></OME>'
)
BINARY_ONLY = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<BinaryOnly MetadataFile="x.companion.ome" UUID="urn:uuid:6a1b2c3d-0000-4000-8000-000000000001"/></OME>'
)
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">' + "".join(
    f'<!ENTITY c{each} "{f"&c{each - 1};" * 10 if each else "&b;" * 10}">' for each in range(9)
) + "]>" + OME.format("").replace("<?xml version=\"1.0\"?>", "").replace("</OME>", "&c8;</OME>")  # fmt: skip


@pytest.mark.parametrize(
    ("told", "mpp"),
    [
        (OME.format('PhysicalSizeX="0.25"'), 0.25),
        (OME.format('PhysicalSizeX="250" PhysicalSizeXUnit="nm"'), 0.25),
        (OME.format('PhysicalSizeX="0.00025" PhysicalSizeXUnit="mm"'), 0.25),
        (OME.format('PhysicalSizeX="0,25"'), None),
        (OME.format('PhysicalSizeX="-1"'), None),
        (OME.format('PhysicalSizeX="0"'), None),
        (OME.format('PhysicalSizeX="NaN"'), None),
        (OME.format('PhysicalSizeX="1e9"'), None),
        (OME.format('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"'), None),
        (OME.format("").replace("240", "99999"), None),
        (OME[:200], None),
        (BINARY_ONLY, None),
        (BOMB, None),
        ("", None),
    ],
    ids=["microns", "nanometres", "millimetres", "comma", "negative", "zero", "nan", "absurd", "pixels", "another size",
         "cut off", "binary only", "bomb", "nothing"],
)  # fmt: skip
def test_ome_metadata(tmp_path: Path, told: str, mpp: float | None) -> None:
    file = tmp_path / "a.ome.tif"
    tifffile.imwrite(file, tissue(), photometric="rgb", description=told.encode(), metadata=None)
    slide = open_slide(file)
    assert (slide.width, slide.height) == (WIDTH, HEIGHT)
    assert slide.microns_per_pixel == (None if mpp is None else pytest.approx(mpp))
    assert (slide.read(0, 0, WIDTH, HEIGHT, (WIDTH, HEIGHT)) == tissue()).all()


def test_levels_and_size_of_an_ome_pyramid(tmp_path: Path) -> None:
    ome_pyramid(tmp_path / "a.ome.tif", tissue(1024, 768), PhysicalSizeX=0.5, PhysicalSizeY=0.5)
    slide = open_slide(tmp_path / "a.ome.tif")
    assert slide.levels == ((1024, 768), (512, 384), (256, 192))
    assert slide.microns_per_pixel == 0.5
    assert (slide.read(0, 0, 1024, 768, (1024, 768)) == tissue(1024, 768)).all()


@pytest.mark.parametrize(
    ("resolution", "unit", "mpp"),
    [((40_000, 40_000), "CENTIMETER", 0.25), ((101_600, 101_600), "INCH", 0.25), ((72, 72), "INCH", None),
     ((1, 1), "CENTIMETER", None), ((10, 10), "CENTIMETER", None), ((40_000, 40_000), "NONE", None)],
    ids=str,
)  # fmt: skip
def test_tiff_resolutions(tmp_path: Path, resolution: tuple[int, int], unit: str, mpp: float | None) -> None:
    for name, options in (("strips.tif", {}), ("tiles.tif", {"tile": (64, 64)})):
        tifffile.imwrite(
            tmp_path / name, tissue(), photometric="rgb", resolution=resolution, resolutionunit=unit, **options
        )
        found = open_slide(tmp_path / name).microns_per_pixel
        assert found == (None if mpp is None else pytest.approx(mpp))


def test_imagej_tells_microns(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(), imagej=True, resolution=(4, 4), metadata={"unit": "micron"})
    assert open_slide(tmp_path / "a.tif").microns_per_pixel == 0.25


@pytest.mark.parametrize(("told", "mpp"), [("0.499", 0.499), ("0", None), ("-1", None), ("1000", None), ("what", None)])
def test_scanners_own_formats(tmp_path: Path, told: str, mpp: float | None) -> None:
    aperio(tmp_path / "a.svs", tissue(720, 480), told)
    slide = open_slide(tmp_path / "a.svs")
    assert (slide.microns_per_pixel, slide.magnification) == (mpp, 20)
    assert abs(slide.read(0, 0, 720, 480, (240, 160))[0, 0].astype(int) - tissue()[0, 0]).max() < 6


@pytest.mark.parametrize("value", [None, "", "x", "1e999", "-0.5", 0, 1e-9, 353, [1], float("nan")])
def test_what_is_not_believed(value: object) -> None:
    assert believed(value) is None


def test_what_is_believed() -> None:
    assert [believed(each) for each in ("0.25", 0.1, np.float32(0.5), 10)] == [0.25, 0.1, 0.5, 10]
    assert [power_of(each) for each in ("40", "x", 0, 1e9, "nan", None)] == [40, None, None, None, None, None]
