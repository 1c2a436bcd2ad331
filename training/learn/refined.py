"""The annotations of a project that were refined, with the outline that they have now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cytomine.models import Annotation, PropertyCollection

from training.dataset.sources.cytomine import CytomineProject, Wanted
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource

KEY = "refined-with-sam"
"""The property that the service hangs on what it has refined, where its settings let it."""


class RefinedInProject(CytomineProject):
    """A project of which only those annotations count that the service has outlined and somebody has kept.

    Parameters
    ----------
    project : int
        Its id.
    wanted : Wanted, optional
        Which of its annotations.
    journal : frozenset of int, optional
        Those that the service's journal names; None: Core is asked for the property of each.
    """

    def __init__(self, project: int, wanted: Wanted | None = None, journal: frozenset[int] | None = None) -> None:
        super().__init__(project, wanted)
        self._journal = journal

    @property
    def name(self) -> str:
        """Tells it apart from an export of the whole project."""
        return f"{super().name}, refined"

    def _record(self, annotation: Any, slide: SourceSlide) -> SourceObject | Passed | Refused:
        record = super()._record(annotation, slide)
        if not isinstance(record, SourceObject) or not record.wanted:
            return record
        return replace(record, wanted=self._is_refined(int(annotation.id)))

    def _is_refined(self, number: int) -> bool:
        if self._journal is not None:
            return number in self._journal
        found = PropertyCollection(Annotation(id=number)).fetch()
        if found is False:
            raise ValueError("its properties are not shown")
        return any(each.key == KEY for each in found)


def named_in_journal(file: Path) -> frozenset[int]:
    """Read from the service's journal which annotations it has outlined.

    Raises
    ------
    BrokenSource
        The file cannot be read, or is not a journal.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return frozenset(int(json.loads(line)["annotation_id"]) for line in lines if line.strip())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenSource(f"{file} is not a journal of the service: {error}.") from error
