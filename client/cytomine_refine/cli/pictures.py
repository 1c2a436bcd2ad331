"""Writes the page of ``--report-html``: fetches the pictures, a few at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cytomine_refine.cli.console import refusal, stderr
from cytomine_refine.cli.watching import bar

if TYPE_CHECKING:
    from cytomine_refine import Slide
    from cytomine_refine.cli.run import Run
    from cytomine_refine.journal import Row

_AT_A_TIME = 4


def write_report(target: Path, run: Run, rows: Sequence[Row], slides: Collection[Slide], what: str) -> None:
    """Write the page of a run; what is on none of the slides has no picture and is left out."""
    from cytomine_refine.batch import side_by_side
    from cytomine_refine.report import picture_of, write_page

    by_id = {slide.id: slide for slide in slides}
    shown = [(row, by_id[row.image]) for row in rows if row.image in by_id]
    pictures = []
    with bar("Fetching pictures", len(shown)) as advance:
        for picture in side_by_side(lambda one: picture_of(run.client, *one), shown, _AT_A_TIME, run.interrupted):
            pictures.append(picture)
            advance()
    without = sum(1 for picture in pictures if picture.width and not picture.jpeg)
    if without:
        stderr().print(f"Cytomine sent no picture for {without} of them; the page shows their outlines.")
    title = f"Refined {what}"
    if any(row.outcome.startswith("would") for row in rows):
        title += " (dry run)"
    try:
        write_page(target, pictures, title=title, host=run.client.host)
    except OSError as error:
        raise refusal(f"{target} cannot be written ({error.strerror}): choose another path.") from error
