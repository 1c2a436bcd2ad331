"""Which proposals are to become annotations, and which of them have; so nothing is made twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from cytomine_refine.journal import Journal, Row
from cytomine_refine.proposals import Proposal


def question_text(asked: Mapping[str, object]) -> str:
    """Name a question, so that the same one is known again."""
    return json.dumps({name: value for name, value in asked.items() if value not in (None, [], ())}, sort_keys=True)


def chosen(proposals: Iterable[Proposal], terms: Sequence[int], question: str) -> list[Row]:
    """Give the rows of proposals that are to become annotations."""
    return [
        Row(
            annotation=0,
            image=each.image_id,
            outcome="chosen",
            score=round(each.score, 4),
            confidence=None if each.confidence is None else round(each.confidence, 4),
            area_after_px0=round(each.area_px0, 1),
            doubts=each.doubts,
            likeness=None if each.likeness is None else round(each.likeness, 4),
            terms=tuple(terms),
            question=question,
            location=each.location,
        )
        for each in proposals
    ]


def begun(journal: Journal, question: str) -> bool:
    """Tell whether proposals of this question were chosen before."""
    return any(row.question == question for row in journal.proposed)


def left(journal: Journal, question: str) -> list[Row]:
    """Give the chosen proposals of a question that are not annotations yet, or not any more since an undo."""
    rows = [row for row in journal.proposed if row.question == question]
    made = {row.previous_location or row.location for row in rows if _is_made(journal, row)}
    open_ones = {row.location: row for row in rows if row.outcome == "chosen" and row.location not in made}
    return list(open_ones.values())


def _is_made(journal: Journal, row: Row) -> bool:
    if row.outcome == "there already":
        return True
    return row.outcome == "created" and journal.last[row.annotation].outcome != "undone"
