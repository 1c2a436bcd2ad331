"""DICOM slides are opened, and their damage costs a region as anybody's does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from slides import DamagedPixels, open_slide
from tests.slides.dicom import dicom
from tests.slides.writing import tissue


def test_a_dicom_slide(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", tissue(480, 320))
    slide = open_slide(tmp_path / "a.dcm")
    assert (slide.width, slide.height, slide.microns_per_pixel) == (480, 320, pytest.approx(0.5))
    found = slide.read(0, 0, 480, 320, (480, 320)).astype(int)
    assert abs(found - tissue(480, 320)).mean() < 2


def test_a_damaged_frame_costs_its_region(tmp_path: Path) -> None:
    file = tmp_path / "a.dcm"
    dicom(file, tissue(1280, 640))
    content = file.read_bytes()
    start = content.index(b"\xff\xd8")  # the first frame
    file.write_bytes(content[:start] + b"\1" * 400 + content[start + 400 :])
    slide = open_slide(file)
    for _ in range(2):
        with pytest.raises(DamagedPixels):
            slide.read(0, 0, 100, 100, (100, 100))
        assert (
            abs(slide.read(600, 100, 300, 300, (300, 300)).astype(int) - tissue(1280, 640)[100:400, 600:900]).mean() < 2
        )
    assert np.asarray(slide.look(0, 0, 1280, 640, (128, 64)).pixels).std() > 1
