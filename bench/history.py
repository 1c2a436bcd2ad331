"""What becomes of earlier results: a page keeps the newest answer to its question, ``history.md`` a line of each other.

A page of results is ``<question>.json`` with the pages for people beside it. Its ``meta`` says which code ran, when, on
what machine; its ``headline`` says in a line what came out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HISTORY = "history.md"
_HEAD = """# Earlier results

Each page holds the latest result of its benchmark; this table has earlier ones. Speeds vary: compare ratios.

| date | commit | benchmark | what ran | machine | figures |
|---|---|---|---|---|---|
"""


def retire(out: Path, question: str) -> None:
    """Add a line on the page that a new one is about to replace; a question that is new has none.

    Raises
    ------
    ValueError
        The page before is not one of ours: it has no ``meta``.
    """
    before = out / f"{question}.json"
    if not before.exists():
        return
    kept = json.loads(before.read_text())
    if "meta" not in kept:
        raise ValueError(f"{before} does not say what was measured.")
    add(out, question, kept["meta"], kept.get("headline", ""))


def add(out: Path, question: str, meta: dict[str, Any], headline: str) -> None:
    """Add a line of history, the newest first; the same line is never added twice."""
    history = out / HISTORY
    lines = history.read_text().removeprefix(_HEAD).splitlines() if history.exists() else []
    ran = ", ".join(str(meta[key]) for key in ("config", "model", "engine") if key in meta)
    where = f"{meta.get('device', '')}, {meta.get('cores', '?')} cores, {meta.get('instructions', '')}".strip(", ")
    cells = (meta.get("date", ""), meta.get("commit", ""), question, ran, where, headline)
    line = f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
    if line not in lines:
        history.write_text(_HEAD + "\n".join(sorted([line, *lines], reverse=True)) + "\n")
