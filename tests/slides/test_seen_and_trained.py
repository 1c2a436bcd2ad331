"""What is seen in the demo is what is trained on: the same pixels, of every kind of slide."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from app.geometry.windows import window_at
from demo.cytomine.pims import Pims
from slides import open_slide
from tests.slides.writing import aperio, ome_pyramid, pyramid, tissue
from training.dataset.sources.files import open_pixels

WIDTH, HEIGHT = 480, 320
KINDS = ["pages.tif", "a.ome.tif", "scanner.svs", "deep.tif", "rgb16.tif", "floats.tif", "channels.ome.tif",
         "depths.ome.tif", "turned.jpg", "palette.png", "clear.png"]  # fmt: skip


def write(file: Path) -> None:
    pixels, deep = tissue(WIDTH, HEIGHT), {"photometric": "minisblack"}
    lying = Image.Exif()
    lying[0x0112] = 3
    {
        "pages.tif": lambda: pyramid(file, pixels),
        "a.ome.tif": lambda: ome_pyramid(file, pixels),
        "scanner.svs": lambda: aperio(file, pixels),
        "deep.tif": lambda: tifffile.imwrite(file, pixels[..., 0].astype(np.uint16) * 7 + 500, **deep),
        "rgb16.tif": lambda: tifffile.imwrite(file, pixels.astype(np.uint16) * 7, photometric="rgb"),
        "floats.tif": lambda: tifffile.imwrite(file, (pixels[..., 0] / 255).astype(np.float32), **deep),
        "channels.ome.tif": lambda: tifffile.imwrite(
            file,
            np.stack([pixels[..., 0], 255 - pixels[..., 1]]).astype(np.uint16) * 9,
            metadata={"axes": "CYX"},
            **deep,
        ),
        "depths.ome.tif": lambda: tifffile.imwrite(
            file,
            np.stack([pixels[..., 0] * 0 + 9, pixels[..., 0], pixels[..., 1] // 2]),
            metadata={"axes": "ZYX"},
            **deep,
        ),
        "turned.jpg": lambda: Image.fromarray(pixels).save(file, exif=lying),
        "palette.png": lambda: Image.fromarray(pixels).quantize(8).save(file),
        "clear.png": lambda: Image.fromarray(np.dstack([pixels, pixels[..., :1]])).save(file),
    }[file.name]()


@pytest.mark.parametrize("name", KINDS)
def test_the_same_pixels(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    trained = open_pixels(tmp_path / name).read(window_at(0, 0, 256, WIDTH, HEIGHT), 1024)
    assert trained.shape == (256, 256, 3)
    assert trained.std() > 5  # not black, nor white
    tile = Pims(tmp_path).tile(name, 1, 0, 0, None)  # as the viewer asks for it
    assert tile.status == 200
    with Image.open(io.BytesIO(tile.body)) as image:
        seen = np.asarray(image.convert("RGB")).astype(int)
    assert abs(seen - trained).mean() < 3  # tiles are JPEG
    slide = open_slide(tmp_path / name)
    if slide.planes[0] == 1:  # the service asks for one channel of several
        plane = {"z_slices": slide.planes[1] // 2, "timepoints": 0}
        body = {"region": {"left": 0, "top": 0, "width": 256, "height": 256}, "length": 256, **plane}
        contrast = {"min_intensities": "AUTO_IMAGE", "max_intensities": "AUTO_IMAGE"}
        accept = "image/png" if slide.bits == 8 else "image/jpeg"
        window = Pims(tmp_path).window(name, {**body, **contrast}, accept=accept)  # as the service asks for it
        with Image.open(io.BytesIO(window.body)) as image:
            asked = np.asarray(image.convert("RGB")).astype(int)
        assert abs(asked - trained).mean() < (3 if slide.bits > 8 else 0.01)


@pytest.mark.parametrize(
    ("side", "model", "shape"), [(256, 1024, (256, 256)), (300, 100, (100, 100)), (400, 100, (80, 100))]
)
def test_windows_are_reduced_and_never_enlarged(tmp_path: Path, side: int, model: int, shape: tuple[int, int]) -> None:
    write(tmp_path / "pages.tif")
    pixels = open_pixels(tmp_path / "pages.tif")
    assert pixels.read(window_at(0, 0, side, WIDTH, HEIGHT), model).shape[:2] == shape
