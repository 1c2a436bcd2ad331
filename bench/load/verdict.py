"""Whether everybody got their own result, once: the platform's record of commands beside what the service said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import shapely

from app.geometry.frames import flip_geometry
from app.geometry.locations import read_location, roi_of
from app.geometry.windows import Region, Window, plan_window, serves
from bench.load.notes import Note, Told
from bench.load.people import Place
from bench.load.world import object_in
from bench.recorded import Command, commands_of
from demo.cytomine.store import Store

_SAME_IOU = 0.97
"""An outline and its object; edges are traced to a fraction of a pixel, small objects have few of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found wrong; all but the first two are to be zero."""

    accepted: int
    """Refines that were answered with 200."""
    uncertain: int
    """Refines without an answer, or with a status of 500 and more: done or not, but never twice."""
    not_stored: int
    """Answers that the platform's record does not bear out."""
    mixed_up: int
    """Answers about another annotation, or from a window that does not fit it."""
    wrong_shape: int
    """Outlines that are not the object's; only the simulated model knows better."""
    written_twice: int
    """Annotations with more changes than there were refines that can have made them."""
    annotations_lost: int
    points_lost: int
    """Points that are gone although no refine that was stored has used them."""

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, mixed up or done twice."""
        found = asdict(self)
        return not any(found[name] for name in found if name not in {"accepted", "uncertain"})


def judge(store: Store, notes: Sequence[Note], slides: Sequence[Place], *, known_objects: bool) -> Verdict:
    """Compare the answers with what the platform has, and with what it has recorded.

    Parameters
    ----------
    notes : sequence of Note
        All of a run.
    slides : sequence of Place
        That people were looking at.
    known_objects : bool
        Whether outlines are compared with the objects of `bench.load.world`.
    """
    drawn = [note.annotation for note in notes if note.kind == "draw" and note.accepted]
    edits, present = _recorded(store, set(drawn))
    refines = [note for note in notes if note.kind == "refine"]
    told = [note for note in refines if note.told is not None]
    sizes = {place.id: place for place in slides}
    changes = Counter(edit.annotation for edit in edits.values())
    sure = Counter(note.annotation for note in told if note.told and note.told.changed)
    unsure = Counter(note.annotation for note in refines if note.uncertain)
    slide_of = {edit.annotation: sizes[edit.image] for edit in edits.values()}
    shown = [(note.told, slide_of[note.annotation]) for note in told if note.told and note.annotation in slide_of]
    return Verdict(
        accepted=len(told),
        uncertain=sum(unsure.values()),
        not_stored=sum(not _is_stored(note, edits) for note in told),
        mixed_up=sum(note.told.annotation != note.annotation for note in told if note.told)
        + sum(not _window_fits(answer, place) for answer, place in shown),
        wrong_shape=sum(not _is_object(answer, place) for answer, place in shown) if known_objects else 0,
        written_twice=sum(count > sure[number] + unsure[number] for number, count in changes.items()),
        annotations_lost=sum(number not in present for number in drawn),
        points_lost=_points_lost(notes, present, changes, sure),
    )


def _recorded(store: Store, drawn: set[int]) -> tuple[dict[int, Command], set[int]]:
    """Read the changes of what was drawn, by the number of their command, and which annotations are there."""
    edits = {each.id: each for each in commands_of(store) if each.kind == "edit" and each.annotation in drawn}
    with store.transaction() as db:
        return edits, {int(row[0]) for row in db.execute("SELECT id FROM annotations")}


def _is_stored(note: Note, edits: dict[int, Command]) -> bool:
    told = note.told
    if told is None or not told.changed:
        return True
    edit = edits.get(told.command or 0)
    return edit is not None and (
        (edit.annotation, edit.after, edit.before) == (note.annotation, told.location, told.previous_location)
    )


def _window_fits(told: Told, slide: Place) -> bool:
    """Whether the window is the box' own, or one that serves it."""
    roi = roi_of(read_location(told.previous_location), slide.width, slide.height)
    own = plan_window(roi, slide.width, slide.height)
    region = Region(*told.window)
    return region == own.region or serves(
        Window(region.left, region.top, max(region.width, region.height), region), own, roi
    )


def _is_object(told: Told, slide: Place) -> bool:
    box = roi_of(read_location(told.previous_location), slide.width, slide.height)
    thing = object_in(box)
    truth = shapely.box(thing.x_min, thing.y_min, thing.x_max, thing.y_max)
    found = flip_geometry(read_location(told.location), slide.height)
    return bool(found.intersection(truth).area >= _SAME_IOU * found.union(truth).area)


def _points_lost(notes: Sequence[Note], present: set[int], changes: Counter[int], sure: Counter[int]) -> int:
    """Count points that are gone and that neither an answer nor a change without an answer accounts for."""
    deleted = {point for note in notes if note.told for point in note.told.points_deleted}
    box_of: dict[int, int] = {}
    latest: dict[int, int] = defaultdict(int)
    for note in notes:
        if note.kind == "draw":
            latest[note.session] = note.annotation
        elif note.kind == "point" and note.accepted:
            box_of[note.annotation] = latest[note.session]
    gone = [point for point in box_of if point not in present and point not in deleted]
    return sum(changes[box_of[point]] <= sure[box_of[point]] for point in gone)
