"""Links between the repository's Markdown pages: where they lead, and which of them lead nowhere."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_TAG = re.compile(r"<(?:img|a|source)\b[^>]*?(?:src|href)=\"([^\"]+)\"")
_AUTOLINK = re.compile(r"<(https?://[^>\s]+)>")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_EXTERNAL = ("http://", "https://", "mailto:")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of one page."""

    page: Path
    target: str

    @property
    def is_external(self) -> bool:
        """Whether it leaves the repository."""
        return self.target.startswith(_EXTERNAL)

    @property
    def file(self) -> Path:
        """The file that an internal link names."""
        name = unquote(self.target.partition("#")[0])
        return (self.page.parent / name).resolve() if name else self.page

    @property
    def anchor(self) -> str:
        """The heading that it names, or nothing."""
        return self.target.partition("#")[2]


def pages(root: Path = ROOT) -> list[Path]:
    """Give every Markdown page under version control, and those not yet committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603  our own words
    names = done.stdout.splitlines()
    return sorted(root / name for name in names if name and (root / name).is_file())


def links(page: Path) -> Iterator[Link]:
    """Give the links of a page, those in code and comments left out."""
    text = _CODE.sub("", _COMMENT.sub("", _FENCE.sub("", page.read_text(encoding="utf-8"))))
    for pattern in (_LINK, _TAG, _AUTOLINK):
        yield from (Link(page, found) for found in pattern.findall(text))


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as both GitHub and Python-Markdown make them."""
    return {_slug(heading) for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))}


def why_broken(link: Link, root: Path = ROOT) -> str | None:
    """Say what is wrong with an internal link.

    Returns
    -------
    str or None
        None where it leads to a file of the repository and, if it names one, to a heading.
    """
    if not link.file.is_relative_to(root):
        return "leaves the repository"
    if not link.file.exists():
        return "no such file"
    if link.anchor and link.file.suffix == ".md" and link.anchor not in anchors(link.file):
        return "no such heading"
    return None


def _slug(heading: str) -> str:
    text = re.sub(r"[^\w\s-]", "", heading.replace("`", "")).strip().lower()
    return re.sub(r"[\s]", "-", text)
