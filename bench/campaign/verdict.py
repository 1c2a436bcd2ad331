"""What must hold after every trial; each breach is one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import shapely

from bench.campaign.play import Answer, Evidence, Point
from bench.campaign.world import DEADLINE_S, HEIGHT, WIDTH, box_around
from bench.recorded import Command

DECLARED = frozenset({200, 400, 401, 403, 404, 408, 409, 413, 422, 429, 502, 503, 504})
_TRAVEL_S = 1.0
"""A write may have left in time and arrive this much later, on a busy machine."""


def breaches(evidence: Evidence) -> list[str]:
    """Judge a trial; an empty list is what everybody wants."""
    return [
        *_answers(evidence),
        *_shape(evidence),
        *_writes(evidence),
        *_points(evidence),
        *_deadline(evidence),
    ]


def _edits(evidence: Evidence) -> list[Command]:
    return [each for each in evidence.commands if each.kind == "edit" and each.annotation == evidence.annotation]


def _deletions(evidence: Evidence) -> list[Command]:
    return [each for each in evidence.commands if each.kind == "delete"]


def _answers(evidence: Evidence) -> Iterator[str]:
    """Every answer is declared, and tells the truth about what was written."""
    for answer in evidence.answers:
        if answer.status == 0:
            if not evidence.killed:
                yield "answer: the connection broke though nobody killed the service"
            continue
        if answer.status not in DECLARED:
            yield f"answer: undeclared status {answer.status}: {answer.body.get('detail')}"
        if answer.status != 200 and not answer.media_type.startswith("application/problem+json"):
            yield f"answer: {answer.status} is no problem but {answer.media_type}"
    yield from _told(evidence)


def _told(evidence: Evidence) -> Iterator[str]:
    edits = {each.id: each for each in _edits(evidence)}
    deletions = {each.annotation for each in _deletions(evidence)}
    for answer in evidence.answers:
        if answer.status != 200:
            continue
        if not answer.body["changed"]:
            if answer.body["command"] is not None:
                yield "truth: a command is told of a refine that changed nothing"
            continue
        edit = edits.get(answer.body["command"])
        if edit is None:
            yield "truth: a change is told that Core does not have"
        elif not _same(edit.after, answer.body["location"]):
            yield "truth: another outline is told than the one that was written"
        if not deletions.issuperset(answer.body["points_deleted"]):
            yield "truth: a point is told as deleted that is still there"
    for edit in edits.values():
        if not any(_accounts_for(answer, edit, evidence) for answer in evidence.answers):
            yield "truth: something was written, and every answer says that nothing was"


def _accounts_for(answer: Answer, edit: Command, evidence: Evidence) -> bool:
    if evidence.users[answer.request.who] != edit.user:
        return False
    if answer.status == 0:
        return True
    if answer.status == 200:
        return bool(answer.body["command"] == edit.id)
    return "written" in answer.body  # true, or null where that could not be found out


def _shape(evidence: Evidence) -> Iterator[str]:
    """Check that the shape is the drawn one, a meddler's, or an outline of what was there when it was written."""
    moved = any(kind == "move shape" for kind, *_ in evidence.meddled)
    deleted = any(kind == "delete shape" for kind, *_ in evidence.meddled)
    now = evidence.left.get(evidence.annotation)
    edits = _edits(evidence)
    if now is None:
        if not deleted:
            yield "shape: it is gone, and nobody deleted it"
        return
    allowed = [evidence.drawn, *(each.after or "" for each in edits)]
    if moved:
        allowed.append(box_around(evidence.trial.elsewhere).wkt)
    if not any(_same(now, each) for each in allowed):
        yield "shape: it is none that anybody drew or wrote"
    for edit in edits:
        outline, before = shapely.from_wkt(edit.after), shapely.from_wkt(edit.before)
        if not outline.is_valid or outline.is_empty or outline.geom_type not in {"Polygon", "MultiPolygon"}:
            yield f"shape: a {outline.geom_type} was written that is not valid or empty"
        if not shapely.box(0, 0, WIDTH, HEIGHT).covers(outline):
            yield "shape: the outline leaves the slide"
        if outline.intersection(before).area < 0.5 * outline.area:
            yield "shape: an outline of an older shape was written over somebody's newer one"


def _writes(evidence: Evidence) -> Iterator[str]:
    """Check that a dry run writes nothing, and that nobody's wish is written twice."""
    edits, trial = _edits(evidence), evidence.trial
    if all(request.dry_run for request in trial.requests) and evidence.commands:
        yield "twice: a dry run wrote"
    real = [request for request in trial.requests if not request.dry_run]
    if len(edits) > len(real):
        yield f"twice: {len(edits)} edits for {len(real)} requests"
    told = [each.body["command"] for each in evidence.answers if each.status == 200 and each.body["changed"]]
    alike = len({(each.who, each.keep_points) for each in real}) == 1
    if alike and evidence.answers and _overlap(evidence.answers) and len(edits) > 1:
        yield f"twice: equal requests at the same time wrote {len(edits)} times"
    if len(set(told)) > len(edits):
        yield "truth: more commands are told than there are"


def _overlap(answers: list[Answer]) -> bool:
    """Whether all asked well before the first was answered, so that none can have come after another's end."""
    return max(each.began for each in answers) + 0.3 < min(each.ended for each in answers)


def _points(evidence: Evidence) -> Iterator[str]:
    """Only plain points of the caller inside the box go, and only after the shape was written."""
    keeps = all(request.keep_points or request.dry_run for request in evidence.trial.requests)
    of = {point.id: point for point in evidence.points}
    edits = _edits(evidence)
    for deletion in _deletions(evidence):
        point = of.get(deletion.annotation)
        if point is None:
            yield "points: something was deleted that is no point of this trial"
            continue
        if why := _must_stay(point, deletion, evidence):
            yield f"points: a point was deleted that {why}"
        if keeps:
            yield "points: one was deleted though all asked to keep them"
        if not any(edit.id < deletion.id and edit.user == deletion.user for edit in edits):
            yield "points: one was deleted before the shape was written"
    gone = set(of) - set(evidence.left) - {deletion.annotation for deletion in _deletions(evidence)}
    removed = {subject for kind, subject, _ in evidence.meddled if kind == "delete point"}
    if gone - removed:
        yield "points: some are gone, and nobody deleted them"


def _must_stay(point: Point, deletion: Command, evidence: Evidence) -> str:
    if point.kind != "plain":
        return {"outside": "lay outside of the box", "other term": "has another term"}.get(
            point.kind, f"carries a {point.kind}"
        )
    if point.owner != deletion.user:
        return "belongs to somebody else"
    for kind, subject, when in evidence.meddled:
        if subject == point.id and kind != "delete point" and _looked_after(point, when, evidence):
            return "was changed meanwhile"
    return ""


def _looked_after(point: Point, when: float, evidence: Evidence) -> bool:
    """Whether the service asked anything about a point after a moment: before its last look it could not know."""
    return any(
        seen.method == "GET" and seen.at > when and (str(point.id) in seen.path or "bbox" in seen.query)
        for seen in evidence.calls
    )


def _deadline(evidence: Evidence) -> Iterator[str]:
    asked = [each.began for each in evidence.answers if not each.request.dry_run]
    for seen in evidence.calls:
        if seen.method == "PUT" and asked and seen.at > max(asked) + DEADLINE_S + _TRAVEL_S:
            late_s = seen.at - max(asked) - DEADLINE_S
            yield f"late: written {late_s:.1f} s after the deadline"


def _same(first: str | None, second: str | None) -> bool:
    if not first or not second:
        return False
    return bool(shapely.from_wkt(first).equals_exact(shapely.from_wkt(second), 1e-6))
