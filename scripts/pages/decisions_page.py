"""A generated page: the index of decision records."""

from __future__ import annotations

from scripts.pages.links import ROOT

FOLDER = ROOT / "docs" / "decisions"


def decisions_page() -> str:
    """List every decision record by its title, newest first."""
    titles = {file.name: file.read_text().partition("\n")[0].lstrip("# ") for file in FOLDER.glob("[0-9]*.md")}
    lines = [f"- [{titles[name]}]({name})" for name in sorted(titles, reverse=True)]
    return "\n".join(["# Decisions\n", "One page for each design decision, newest first.\n", *lines, ""])
