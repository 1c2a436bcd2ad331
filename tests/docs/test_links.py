"""Every link of every page leads somewhere; addresses outside are listed, not fetched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.pages.links import ROOT, Link, anchors, links, pages, why_broken

_PAGES = pages()


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_internal_links_lead_somewhere(page: Path) -> None:
    broken = [(link.target, why_broken(link)) for link in links(page) if not link.is_external and why_broken(link)]
    assert broken == []


def test_there_are_pages_and_links_to_check() -> None:
    found = [link for page in _PAGES for link in links(page)]
    assert len(_PAGES) > 50
    assert sum(not link.is_external for link in found) > 100
    outside = sorted({link.target for link in found if link.is_external})
    print("\n".join(outside))
    assert all(re.match(r"https?://[\w.:-]+(/|$)", target) for target in outside), outside


def test_what_is_broken_is_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# A heading, with `code`\n\n```\n# no heading\n```\n")
    page.write_text(
        "[a](other.md#a-heading-with-code) ![b](gone.png) [c](other.md#no-heading) [d](../../etc)"
        ' `[e](code.md)`\n\n```sh\n[f](fence.md)\n```\n<img src="lost.png"> <https://example.org/x>\n'
    )
    found = list(links(page))
    assert [why_broken(link, tmp_path) for link in found if not link.is_external] == [
        None,
        "no such file",
        "no such heading",
        "leaves the repository",
        "no such file",
    ]
    assert [link.target for link in found if link.is_external] == ["https://example.org/x"]
    assert anchors(other) == {"a-heading-with-code"}
    assert Link(page, "#x").file == page


def test_the_index_links_every_page_of_the_site() -> None:
    named = set(re.findall(r"^ +- [^:\n]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert len(named) > 30
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.target.partition("#")[0]).resolve() for link in links(index) if not link.is_external}
    written = {ROOT / name for name in named if (ROOT / name).is_file() and "/reference/" not in name}
    assert sorted(str(page) for page in written - linked - {index, ROOT / "README.md"}) == []
