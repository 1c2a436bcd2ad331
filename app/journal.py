"""The service's journal: a line for each outline that was written, with all that making it again needs.

No credentials, no pixels: prompts, window, weights, and the outline itself. The lines are JSON.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from app.errors import InvalidSettings
from app.usecases.recipe import Recipe
from app.usecases.refinement import Refinement

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Maker:
    """Which model made an outline, and on what."""

    name: str
    sha256: str
    precision: str
    engine: str
    device: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal."""

    time: str
    """ISO 8601, UTC."""
    annotation_id: int
    caller: int | None
    model: Maker
    recipe: Recipe

    @classmethod
    def of(cls, refinement: Refinement, recipe: Recipe) -> Self:
        """Make the line of a refinement that was written."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        model = refinement.model
        maker = Maker(model.name, model.sha256, model.precision, model.engine, model.device)
        return cls(now, refinement.annotation_id, refinement.caller, maker, recipe)


_ADAPTER = TypeAdapter(Entry)


class Journal:
    """A journal that is written to; threads and processes may share one file.

    Parameters
    ----------
    path : Path
        Goes on where the file ends.

    Raises
    ------
    InvalidSettings
        It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidSettings(f"REFINE_REFINE__JOURNAL: {path} cannot be written ({error.strerror}).") from error
        self._guard = threading.Lock()

    def write(self, refinement: Refinement) -> None:
        """Add a line if an outline was written; a full disk is told in the log and fails no refine."""
        if refinement.outcome != "changed" or refinement.recipe is None:
            return
        line = _ADAPTER.dump_json(Entry.of(refinement, refinement.recipe)) + b"\n"
        try:
            with self._guard:
                os.write(self._file, line)  # at once, so that lines of several processes do not mix
        except OSError as error:
            log.error("The journal lacks annotation %s: %s", refinement.annotation_id, error)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def entries(path: Path) -> Iterator[Entry | None]:
    """Read a journal; None for a line that is not understood, such as one that was cut off.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield _ADAPTER.validate_json(line)
            except ValidationError:
                yield None
