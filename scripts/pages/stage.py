"""Stages the site's source: the repository's own pages where they lie in it, what they link to, and generated pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from scripts.pages.links import ROOT, Link, links, pages

_LEFT_OUT = ("docs/site", "tests", "out", "../shared", "node_modules", ".github")


def stage(folder: Path, generated: Mapping[str, str], root: Path = ROOT) -> None:
    """Fill a folder with the source of the site.

    Parameters
    ----------
    folder : Path
        Emptied first.
    generated : mapping of str to str
        Markdown pages that are not in the repository, by their path.
    root : Path
        The repository.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for page in pages(root):
        if not page.relative_to(root).as_posix().startswith(_LEFT_OUT):
            _stage_page(page, folder, root)
    for kept in ("docs/site", "docs/images"):
        shutil.copytree(root / kept, folder / kept, dirs_exist_ok=True)
    for name, text in generated.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _stage_page(page: Path, folder: Path, root: Path) -> None:
    """Copy a page and the files that it links to; links to folders are adapted."""
    text = page.read_text(encoding="utf-8")
    for link in links(page):
        if link.is_external or not link.file.is_relative_to(root):
            continue
        if link.file.is_dir():
            text = _without_folder(text, link)
        elif link.file.is_file() and link.file.suffix != ".md":
            _copy(link.file, folder / link.file.relative_to(root))
    place = folder / page.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def _without_folder(text: str, link: Link) -> str:
    """Lead a link to a folder to the folder's page, or leave its words alone where there is none."""
    if (link.file / "README.md").is_file():
        return text.replace(f"]({link.target})", f"]({link.target.rstrip('/')}/README.md)")
    return re.sub(rf"\[([^\]]*)\]\({re.escape(link.target)}\)", r"\1", text)


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
