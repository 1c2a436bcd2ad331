"""The demo on a stage of its own, and a browser to look at it.

Everything is real: Core and PIMS of the demo, the service in its process with the embedded model, the built viewer in
Chromium. Screenshots of the steps lie in ``out/browser``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.front import VIEWER
from tests.browser.stage import Stage, Viewer, staged

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    if not (VIEWER / "index.html").is_file():
        pytest.skip("the viewer is not built (make viewer, which needs Node.js)")
    api.expect.set_options(timeout=20_000)  # machines that do other things too are slow
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def stage(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Depends on the browser, so that nothing is started where there is none."""
    with staged(tmp_path_factory.mktemp("stage")) as found:
        yield found


@pytest.fixture
def viewer(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Viewer]:
    """A fresh browser profile in which drawing stores and does not outline.

    A test may ask for another screen by ``parametrize(..., indirect=True)``.
    """
    off = "location.protocol === 'http:' && localStorage.setItem('outline-on-draw', 'off')"
    yield from _viewer(browser, stage, request, off)


@pytest.fixture
def clicker(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Viewer]:
    """A fresh browser profile as everybody gets it: what is drawn is outlined."""
    yield from _viewer(browser, stage, request)


def _viewer(browser: Browser, stage: Stage, request: pytest.FixtureRequest, script: str = "") -> Iterator[Viewer]:
    options = {"viewport": {"width": 1440, "height": 900}, "accept_downloads": True, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.add_init_script(script)
    found = Viewer(context.new_page(), stage, OUT)
    yield found
    context.close()
    stage.cytomine.faults.clear()
    assert found.unexpected() == []
