"""Build the documentation site: ``python -m scripts.build_site``."""

from __future__ import annotations

import argparse
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=OUT, help="Folder for the site (default: out/site).")
    print(f"Open {build(parser.parse_args().out)}")
