"""The scenes of the documentation's screenshots: one is played here, and each has its place on the viewer's page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright")
import numpy as np
from PIL import Image
from playwright.sync_api import expect

from scripts.pages.links import ROOT
from scripts.screenshots import SCENES, WIDTH_PX, save
from tests.browser.clicking import preview
from tests.browser.stage import Stage, Viewer

MOST_BYTES = 150_000


def test_a_scene_is_played_and_its_picture_is_small(clicker: Viewer, stage: Stage, tmp_path: Path) -> None:
    stage.clear()
    SCENES["background"].play(clicker, stage)
    expect(preview(clicker)).to_be_visible()
    file = save(clicker, tmp_path / "scene.webp", WIDTH_PX)
    assert file.stat().st_size < MOST_BYTES
    picture = Image.open(file)
    assert (picture.format, picture.width) == ("WEBP", WIDTH_PX)
    assert np.asarray(picture.convert("L")).std() > 20  # something is seen


def test_the_page_of_the_viewer_shows_every_scene_and_nothing_else() -> None:
    page = (ROOT / "docs" / "viewer.md").read_text()
    shown = set(re.findall(r"images/viewer-([\w-]+)\.\w+", page))
    assert shown == set(SCENES)
    assert {file.name for file in (ROOT / "docs" / "images").glob("viewer-*")} == {f"viewer-{n}.webp" for n in SCENES}
