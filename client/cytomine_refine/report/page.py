"""Writes the page: the template with the rows in it as JSON, which the page's own script draws."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from cytomine_refine.report.pictures import Picture

_TITLE, _DATA = "<!-- title -->", "/* rows */"


def write_page(path: Path, pictures: Iterable[Picture], *, title: str, host: str) -> None:
    """Write the page.

    Parameters
    ----------
    host : str
        Base URL of Cytomine, for links.

    Raises
    ------
    OSError
        It cannot be written.
    """
    rows = [_told(picture, host) for picture in pictures]
    data = {"title": title, "made": datetime.now().astimezone().isoformat(timespec="minutes"), "rows": rows}
    template = files("cytomine_refine.report").joinpath("page.html").read_text(encoding="utf-8")
    page = template.replace(_TITLE, escape(title)).replace(_DATA, _as_script(data))
    path.write_text(page, encoding="utf-8")


def _told(picture: Picture, host: str) -> dict[str, Any]:
    row, slide = picture.row, picture.slide
    where = f"#/project/{slide.project}/image/{slide.id}/annotation/{row.annotation}"
    return {
        "id": row.annotation,
        "slide": slide.name or f"image {slide.id}",
        "outcome": row.outcome,
        "confidence": row.confidence,
        "score": row.score,
        "doubts": row.doubts,
        "problem": row.problem,
        "link": f"{host}/{where}" if slide.project is not None else "",
        "width": picture.width,
        "height": picture.height,
        "before": picture.before,
        "after": picture.after,
        "jpeg": picture.jpeg,
    }


def _as_script(data: Any) -> str:
    """Write JSON that may stand in a script: nothing in it ends the script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
