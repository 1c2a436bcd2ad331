"""How much memory an image may take, whatever a few kilobytes say of it; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

_BEGIN = """
import io, resource
from concurrent.futures import ThreadPoolExecutor
from PIL import Image
from app.errors import BrokenImage
from app.geometry.frames import Roi
from app.geometry.windows import plan_window
from app.imagery.crop import CropWindowReader
from app.imagery.decode import read_rgb
from app.imagery.reader import SlideWindowReader
from app.usecases.ports import Plane, Slide

Image.MAX_IMAGE_PIXELS = None  # of what is drawn here

def png(mode, width, height, **options):
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, options.pop("kind", "png"), **options)
    return file.getvalue()

class Source:
    def region(self, slide, plane, region, length_px):
        longer = max(region.width, region.height)
        return png("RGB", *(max(1, round(side * length_px / longer)) for side in (region.width, region.height)))

def window(width, height, roi):
    slide = Slide(1, width, height, "a")
    return SlideWindowReader(Source()).read(slide, Plane(), plan_window(roi, width, height), 1024)

def crop(width, height):
    slide = Slide(1, width, height, "a")
    reader = CropWindowReader(png("RGB", width, height), Roi(0, 0, width, height), slide, 1024)
    return reader.read(slide, Plane(), reader.plan(Roi(0, 0, width, height), width, height), 1024)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def refused(content):
    try:
        read_rgb(content)
    except BrokenImage:
        return
    raise AssertionError("read")

window(1000, 1000, Roi(10, 10, 900, 900))
crop(1000, 1000)
"""


def peak_of(work: str) -> float:
    """Give what some work takes beyond what was taken before it, MiB."""
    script = f"{_BEGIN}\nbefore = peak()\n{work}\nprint(peak() - before)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250, check=False)
    assert told.returncode == 0, told.stderr
    return float(told.stdout)


STRIPS = """
crop(1, 14_000)
crop(14_000, 1)
crop(1, 100_000)
crop(3, 60_000)
crop(40_000, 2)
window(2, 16_000, Roi(0, 100, 2, 15_900))
window(16_000, 1, Roi(100, 0, 15_900, 1))
window(3, 2_000_000, Roi(0, 0, 3, 2_000_000))
window(100_000, 80, Roi(100, 0, 70_000, 80))
"""


def test_a_strip_takes_no_more_than_what_the_model_can_see() -> None:
    work = f"""
for line in {STRIPS.split(chr(10))[1:-1]!r}:
    shape = eval(line).pixels.shape
    assert max(shape) <= 2048, (line, shape)
    assert peak() - before < 100, line
"""
    assert peak_of(work) < 100


@pytest.mark.long
def test_what_is_decoded_at_a_time_has_one_limit() -> None:
    work = """
contents = [png("RGBA", 6000, 6000)] * 2 + [png("LA", 6000, 6000), png("I;16", 6000, 6000)]
with ThreadPoolExecutor(4) as pool:
    assert all(side == 6000 for side in pool.map(lambda content: read_rgb(content).shape[0], contents))
"""
    assert peak_of(work) < 1024


@pytest.mark.long
def test_what_is_too_large_is_refused_before_it_is_decoded() -> None:
    work = """
for content in (
    png("L", 10_001, 10_000),
    png("1", 60_000, 60_000),
    png("1", 100_001, 1),
    png("1", 1, 100_001),
    png("L", 9_500, 9_500, kind="jpeg", progressive=True),
):
    before = peak()
    refused(content)
    assert peak() - before < 30
before = peak()
assert read_rgb(png("1", 10_000, 10_000)).shape == (10_000, 10_000, 3)
"""
    assert peak_of(work) < 600
