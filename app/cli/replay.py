"""``replay``: make the outlines of a service's journal again, and compare them byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.console import refusal, stderr, stdout

if TYPE_CHECKING:
    from app.journal import Entry
    from app.usecases.replay import Replay

Outcome = Literal["same", "other", "other weights", "not readable", "failed"]
_LABELS: dict[Outcome, str] = {
    "same": "the same",
    "other": "other outlines",
    "other weights": "made with different weights",
    "not readable": "lines not readable",
    "failed": "failed",
}


def replay(
    journal: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="The file that REFINE_REFINE__JOURNAL names.", show_default=False
        ),
    ],
) -> None:
    """Refine again what a service's journal lists, with the service's settings, and compare; nothing is written."""
    from app.errors import ServiceError
    from app.journal import entries

    try:
        with _stage() as (verb, sha256):
            counts = Counter(_compared(verb, sha256, entry) for entry in entries(journal))
    except (ServiceError, OSError) as error:
        raise refusal(str(error)) from error
    stdout().print(", ".join(f"{counts[each]} {label}" for each, label in _LABELS.items() if counts[each]) or "no line")
    if counts.keys() - {"same"}:
        raise typer.Exit(1)


@contextmanager
def _stage() -> Iterator[tuple[Replay, str]]:
    """Load the model and connect to Core and PIMS, as the service does; gives the verb and the weights' digest."""
    from app.gateway.core import CoreGateway
    from app.gateway.http import CoreHttp
    from app.gateway.pims import PimsPixels
    from app.imagery.reader import SlideWindowReader
    from app.segmenter.load import load_segmenter
    from app.segmenter.weights import choose
    from app.settings import read_settings
    from app.usecases.replay import Replay

    settings = read_settings()
    core, pixels = CoreHttp(settings.platform), PimsPixels(settings.platform, settings.imagery.max_image_bytes)
    segmenter = load_segmenter(settings.segmenter, choose(settings))
    with closing(core), closing(pixels), closing(segmenter):
        yield Replay(CoreGateway(core), SlideWindowReader(pixels), segmenter), segmenter.info.sha256


def _compared(verb: Replay, sha256: str, entry: Entry | None) -> Outcome:
    """Make one outline again; says what is not the same as it was."""
    from app.errors import ServiceError

    if entry is None:
        return "not readable"
    if entry.model.sha256 != sha256:
        return "other weights"
    try:
        location = verb(entry.recipe)
    except ServiceError as error:
        stderr().print(f"{entry.annotation_id}: {error.detail}")
        return "failed"
    if location == entry.recipe.location:
        return "same"
    stderr().print(f"{entry.annotation_id}: not the outline of {entry.time} (engine then: {entry.model.engine})")
    return "other"
