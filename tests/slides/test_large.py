"""Levels of gigabytes in little memory, and one slow slide that holds up no other."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from demo.cytomine.server import EmbeddedCytomine
from slides import open_slide
from slides.kept import Kept
from tests.slides.writing import aperio, tissue

SIDE = 12_288
MOST_MIB = 350  # a level of these 16-bit values has 864 MiB
ALONE = """
import sys
from pathlib import Path
from demo.cytomine.pims import Pims

file = Path(sys.argv[1])
pims = Pims(file.parent)
for zoom in range(4):
    for index in range(-(-48 // 2 ** (6 - zoom)) ** 2):
        assert pims.tile(file.name, zoom, None, None, index).status == 200
for body in ({"length": 256}, {"length": 2000}):
    assert pims.reduced(file.name, body, accept="image/jpeg").status == 200
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def write(file: Path) -> None:
    """Write a level of 12,288 pixels a side without a pyramid, of the same tile again and again."""
    dtype = np.uint16 if file.stem == "deep" else np.uint8
    tile = tissue(1024, 1024).astype(dtype) * (200 if dtype == np.uint16 else 1)
    options = {"shape": (SIDE, SIDE, 3), "dtype": dtype, "photometric": "rgb"}
    if file.stem == "strip":
        stored = tifffile.memmap(file, **options)
        for top in range(0, SIDE, 1024):
            stored[top : top + 1024] = np.tile(tile, (1, SIDE // 1024, 1))
        stored.flush()
        return
    compression = "jpeg" if file.stem == "jpeg" else "deflate"
    tiles = (tile for _ in range((SIDE // 1024) ** 2))
    tifffile.imwrite(file, tiles, tile=(1024, 1024), compression=compression, **options)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process from /proc")
@pytest.mark.parametrize("name", ["jpeg.tif", "strip.tif", "deep.tif"])
def test_overviews_take_little_memory(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < MOST_MIB
    (tmp_path / name).unlink()


@pytest.mark.parametrize("name", ["tiles.tif", "scanner.svs"])
def test_reading_in_bands_changes_no_pixel_much(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(3)
    pixels = cv2.resize(rng.integers(0, 255, (100, 140, 3), np.uint8), (4205, 3011), interpolation=cv2.INTER_CUBIC)
    if name == "scanner.svs":
        aperio(tmp_path / name, pixels)
    else:
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", tile=(256, 256))
    slide = open_slide(tmp_path / name)
    for left, top, width, height, size in (
        (0, 0, 4205, 3011, (1000, 716)),
        (0, 0, 4205, 3011, (100, 72)),
        (301, 203, 2900, 2103, (1450, 1051)),
        (301, 203, 2900, 2103, (411, 298)),
    ):
        found = slide.read(left, top, width, height, size).astype(int)
        cut = pixels[top : top + height, left : left + width]
        wanted = cv2.resize(cut, size, interpolation=cv2.INTER_AREA).astype(int)
        assert abs(found - wanted).mean() < 3


def test_a_cache_keeps_within_its_bounds() -> None:
    kept: Kept[int] = Kept(100)
    for number in range(10):
        kept.put(number, number, 30)
        kept.get(0)
    assert [kept.get(number) for number in range(10)] == [0, *[None] * 7, 8, 9]
    assert kept.held_bytes == 90
    kept.put("large", 1, 101)
    assert kept.get("large") is None
    kept.put(0, 5, 50)
    assert (kept.get(0), kept.held_bytes <= 100) == (5, True)


def test_one_slow_slide_does_not_hold_up_another(tmp_path: Path) -> None:
    """More people wait for an overview of one slide than a server has threads; another slide is shown meanwhile."""
    with EmbeddedCytomine(tmp_path) as cytomine, ThreadPoolExecutor(60) as people, httpx.Client(trust_env=False) as web:
        tifffile.imwrite(cytomine.slides / "slow.tif", tissue(4096, 4096), photometric="rgb", tile=(512, 512))
        Image.fromarray(tissue()).save(cytomine.slides / "fast.png")
        url = f"{cytomine.pims_url}/image/{{}}/normalized-tile/zoom/0/ti/0.jpg"
        slow = open_slide(cytomine.slides / "slow.tif")
        with slow._making:  # as if somebody made its overview
            waiting = [
                people.submit(httpx.get, url.format("slow.tif"), trust_env=False, timeout=120) for _ in range(60)
            ]
            for _ in range(20):
                assert web.get(url.format("fast.png"), timeout=60).status_code == 200
            assert not any(each.done() for each in waiting)
        assert {each.result().status_code for each in waiting} == {200}
