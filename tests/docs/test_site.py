"""The site builds strictly, holds what it promises, and works from a folder in a browser without a network."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.pages.links import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed (the extra `docs`)")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "scripts.build_site", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


@pytest.fixture
def page(site: Path) -> Iterator[Page]:
    """A page of a browser without a network, which writes down what it asked for and complained about."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    asked: list[str] = []
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(f"error: {error}"))
        yield page
        chromium.close()
    assert [each for each in asked if not each.startswith(("file://", "data:", "about:"))] == []


def test_all_decisions_are_linked(site: Path) -> None:
    index = (site / "docs" / "decisions" / "index.html").read_text()
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(records) > 38
    assert [record.stem for record in records if f'href="{record.stem}.html"' not in index] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    loaded = r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(?:https?:)?//|<link[^>]*\shref=\"?(?:https?:)?//"
    assert [str(file) for file in site.rglob("*.html") if re.search(loaded, file.read_text())] == []
    styles = [*site.rglob("*.css")]
    assert styles
    assert [str(file) for file in styles if re.search(r"url\(\s*[\"']?https?:", file.read_text())] == []


def test_references_are_generated_from_the_code(site: Path) -> None:
    texts = {
        name: (site / "docs" / f"{name}.html").read_text() for name in ("reference/commands", "reference/problems")
    }
    assert "python -m app serve" in texts["reference/commands"]
    assert "annotation-changed" in texts["reference/problems"]
    assert "trace_polygons" in (site / "docs" / "reference" / "python-service.html").read_text()
    assert "RefineClient" in (site / "docs" / "reference" / "python-client.html").read_text()


def test_search_works_from_a_folder(page: Page, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.locator("input[name=query]").click()
    page.locator("input[name=query]").press_sequentially("max newcomers")
    found = page.locator("a.md-search-result__link[href*='docs/settings.html']")
    found.first.wait_for()
    found.first.click()
    page.wait_for_url("**/docs/settings.html*")


def test_the_viewer_of_the_contract_works_from_a_folder(page: Page, site: Path) -> None:
    page.goto((site / "docs" / "reference" / "http.html").as_uri())
    page.get_by_role("link", name="Every route").click()
    page.get_by_text("/sam/annotations/{annotation_id}/refine").first.wait_for()
    contract = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
    page.locator(".opblock").nth(len(contract["paths"]) - 1).wait_for()
