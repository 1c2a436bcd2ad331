"""Build the documentation site: ``python -m scripts.build_site``; ``out/site/html``, or a folder that is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.pages.commands_page import commands_page
from scripts.pages.decisions_page import decisions_page
from scripts.pages.interface_pages import http_page, problems_page, write_viewer
from scripts.pages.links import ROOT
from scripts.pages.stage import stage

OUT = ROOT / "out" / "site"


def build(out: Path = OUT) -> Path:
    """Build the site, strictly: a broken link or a page that the navigation forgets stops it.

    Parameters
    ----------
    out : Path
        Gets the staged source, ``pages``, and the site, ``html``.

    Returns
    -------
    Path
        The site's first page.
    """
    pages, html = out / "pages", out / "html"
    stage(pages, _generated())
    write_viewer(pages / "docs" / "api")
    shutil.rmtree(html, ignore_errors=True)
    folders = {"SITE_PAGES": str(pages), "SITE_HTML": str(html), "NO_MKDOCS_2_WARNING": "true"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **folders})  # noqa: S603  our own words
    return html / "index.html"


def _generated() -> dict[str, str]:
    return {
        "docs/decisions/README.md": decisions_page(),
        "docs/reference/commands.md": commands_page(),
        "docs/reference/http.md": http_page(),
        "docs/reference/problems.md": problems_page(),
    }


if __name__ == "__main__":
    print(f"Open {build(*(Path(each) for each in sys.argv[1:2]))}")
