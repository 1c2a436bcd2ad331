"""The stage for pictures of the documentation: the demo as it is, on real tissue, in Chromium."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import shapely
from playwright.sync_api import sync_playwright

from demo.seeding import seed_tissue
from tests.browser.stage import Stage, Viewer, staged

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
CUT_GLAND = shapely.box(262, 2, 474, 304)
"""A loose box around the tissue's gland whose lumen misleads the model at first; slide frame."""
MISSING = (290.0, 85.0)
"""A place of that gland which the first outline leaves out."""


@contextmanager
def stage_with_tissue() -> Iterator[Stage]:
    """Start the demo's parts, with the tissue's picture as the slide that is shown; no shapes lie on it."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        tissue = seed_tissue(stage.cytomine, Path(folder), stage.seeded)
        if tissue is None:
            raise SystemExit("scikit-image is not installed: pip install -e '.[tissue]'")
        stage.image = tissue
        stage.clear()
        yield stage


@contextmanager
def viewer_on(
    stage: Stage, width: int, height: int, *, dark: bool = False, touch: bool = False, scale: float = 1
) -> Iterator[Viewer]:
    """Open the viewer in a fresh profile."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            device_scale_factor=scale,
        )
        yield Viewer(context.new_page(), stage, IMAGES)
        chromium.close()
