"""A damaged place costs its region, and is told; the rest of the slide stays readable, and so does the next slide."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from app.geometry.windows import window_at
from demo.cytomine.server import EmbeddedCytomine
from slides import DamagedPixels, NotASlide, open_slide
from slides.display import extremes
from tests.slides.writing import aperio, ome_pyramid, pyramid, spoil_tile, tissue
from training.dataset.sources.files import open_pixels
from training.errors import BrokenSource

SIDE = 1024
KINDS = ["pages.tif", "jpeg.tif", "a.ome.tif", "scanner.svs", "turned.tif"]


def write(file: Path, *, spoil: bool = True) -> None:
    """Write a slide of 1024 pixels whose first tile is damaged."""
    pixels = tissue(SIDE, SIDE)
    if file.name == "scanner.svs":
        aperio(file, pixels)
    elif file.name == "a.ome.tif":
        ome_pyramid(file, pixels)
    else:
        turned = {"extratags": [(274, 3, 1, 3, True)]} if file.name == "turned.tif" else {}
        pyramid(
            file,
            pixels[::-1, ::-1] if turned else pixels,
            compression="jpeg" if "jpeg" in file.name else "deflate",
            **turned,
        )
    if spoil:
        spoil_tile(file, 15 if file.name == "turned.tif" else 0)


@pytest.mark.parametrize("name", KINDS)
def test_only_the_damaged_place_is_lost(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    write(tmp_path / f"whole-{name}", spoil=False)
    slide = open_slide(tmp_path / name)
    for _ in range(2):
        with pytest.raises(DamagedPixels, match=r"is damaged: .* x = 0, y = 0"):
            slide.read(0, 0, 100, 100, (100, 100))
        assert (
            abs(slide.read(600, 600, 300, 300, (300, 300)).astype(int) - tissue(SIDE, SIDE)[600:900, 600:900]).mean()
            < 3
        )
    with pytest.raises(DamagedPixels) as caught:
        slide.read(0, 0, SIDE, SIDE, (SIDE, SIDE))
    (box,) = caught.value.boxes
    assert (box.left, box.top) == (0, 0)
    assert box.width <= 512
    seen = slide.look(0, 0, SIDE, SIDE, (SIDE, SIDE))
    assert seen.damaged == caught.value.boxes
    assert (seen.pixels[: box.height, : box.width] == 128).all()
    assert abs(seen.pixels[box.bottom :].astype(int) - tissue(SIDE, SIDE)[box.bottom :]).mean() < 3


def test_damage_does_not_spoil_the_contrast(tmp_path: Path) -> None:
    values = tissue(SIDE, SIDE)[..., 0].astype(np.uint16) + 900
    tifffile.imwrite(tmp_path / "a.tif", values, tile=(256, 256), photometric="minisblack", compression="deflate")
    spoil_tile(tmp_path / "a.tif", 0)
    assert extremes(open_slide(tmp_path / "a.tif"), 0) == (992, 1136)
    floats = tmp_path / "floats.tif"
    tifffile.imwrite(
        floats, values.astype(np.float32), tile=(256, 256), photometric="minisblack", compression="deflate"
    )
    spoil_tile(floats, 0)
    assert open_slide(floats).stretch == "values from 992 to 1136 are shown as 0 to 65535"


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    """Its second half is lost; nothing says so but the missing bytes."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, tissue(SIDE, SIDE), photometric="rgb")
    file.write_bytes(file.read_bytes()[: SIDE * SIDE * 3 // 2])
    slide = open_slide(file)
    assert (slide.read(0, 0, SIDE, 400, (SIDE, 400)) == tissue(SIDE, SIDE)[:400]).all()
    with pytest.raises(DamagedPixels):
        slide.read(0, 600, 10, 10, (10, 10))


def test_half_a_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue()[:60_000])
    slide = open_slide(tmp_path / "a.png")
    with pytest.raises(DamagedPixels):
        slide.read(0, 0, 200, 200, (200, 200))
    assert slide.look(0, 0, 200, 200, (20, 20)).damaged[0].width == 200


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    for value in (10, 200):
        Image.fromarray(np.full((40 + value, 50, 3), value, np.uint8)).save(file)
        slide = open_slide(file)
        assert slide.height == 40 + value
        assert (slide.read(0, 0, 50, 40, (50, 40)) == value).all()


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"],
)
def test_what_is_no_slide(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(NotASlide, match=r"a\.tif") as caught:
        open_slide(tmp_path / "a.tif")
    assert str(tmp_path) not in str(caught.value)


def test_one_piece_that_is_too_large(tmp_path: Path) -> None:
    """Packed as a single strip, so that every look at it would unpack all of it."""
    file = tmp_path / "a.tif"
    side = 12_288
    packed = tifffile.TIFF.COMPRESSORS[8](np.zeros(1, np.uint8))
    tifffile.imwrite(
        file,
        iter([packed]),
        shape=(side, side, 3),
        dtype=np.uint8,
        rowsperstrip=side,
        photometric="rgb",
        compression="deflate",
    )
    with pytest.raises(NotASlide, match="convert it to a tiled TIFF"):
        open_slide(file)


@pytest.mark.parametrize("name", KINDS)
def test_training_reads_what_is_left(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    pixels = open_pixels(tmp_path / name)
    with pytest.raises(BrokenSource, match="is damaged"):
        pixels.read(window_at(0, 0, 100, SIDE, SIDE), 1024)
    assert pixels.read(window_at(600, 600, 300, SIDE, SIDE), 1024).shape == (300, 300, 3)


@pytest.fixture(scope="module")
def pims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("pims")) as cytomine:
        for name in KINDS:
            write(cytomine.slides / name)
        yield cytomine, cytomine.pims_url


def ask(url: str, name: str, left: int, top: int, **more: Any) -> httpx.Response:
    body = {"region": {"left": left, "top": top, "width": 200, "height": 200}, "level": 0, **more}
    return httpx.post(f"{url}/image/{name}/window", json=body, headers={"Accept": "image/png"}, trust_env=False)


@pytest.mark.parametrize("name", KINDS)
def test_the_server_stays_up(pims: tuple[EmbeddedCytomine, str], name: str) -> None:
    url = pims[1]
    for _ in range(2):
        bad = ask(url, name, 0, 0)
        assert (bad.status_code, bad.json()["title"]) == (500, "Damaged pixels")
        assert f"{name} is damaged: " in bad.json()["details"]
        assert ask(url, name, 600, 600).status_code == 200
    tile = httpx.get(f"{url}/image/{name}/normalized-tile/zoom/2/tx/0/ty/0.jpg", trust_env=False)
    assert tile.status_code == 200
    assert tile.headers["x-damaged-regions"].startswith("0,0,")
    other = httpx.get(f"{url}/image/{name}/normalized-tile/zoom/2/tx/3/ty/3.jpg", trust_env=False)
    assert (other.status_code, "x-damaged-regions" in other.headers) == (200, False)
