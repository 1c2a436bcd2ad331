"""Find the point annotations that are prompts, and leave every other point alone.

A point may be a result of its own, a counted mitosis for instance. It is a prompt only if it lies strictly inside the
box and on the annotation's plane, has no term, shares one with the annotation or has the one that the operator chose
for the background, and nothing else hangs on it: no comment, review, track, property, description, tag, file or link.
What the platform says and we do not understand counts as something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from typing import Literal

from app.errors import TooManyPoints
from app.geometry.frames import Roi, flip_y
from app.geometry.locations import is_finite_point
from app.geometry.prompts import PointLabel, PointPrompt
from app.usecases.ports import PointAnnotation, Slide, SlideGateway

PointsMode = Literal["auto", "all", "ignore"]
"""auto: refuse more than the limit; all: take them all; ignore: box only."""
_AT_ONCE = 2
"""Points looked at side by side, each by several requests: the way to the platform counts more than its work."""


def find_points(
    gateway: SlideGateway,
    slide: Slide,
    roi: Roi,
    *,
    user_id: int,
    term_ids: frozenset[int],
    slice_id: int | None = None,
    background_term: int | None = None,
    mode: PointsMode,
    max_points: int,
    go_on: Callable[[], None] = lambda: None,
) -> list[PointAnnotation]:
    """List the user's points that steer the refinement of a box.

    Parameters
    ----------
    roi : Roi
        Slide frame.
    term_ids : frozenset of int
        Terms of the annotation; points of other terms do not count.
    slice_id : int, optional
        The annotation's plane; points on others do not count.
    background_term : int, optional
        Points of this term show what is not the object; see `prompt_of`.
    mode : {"auto", "all", "ignore"}
        With "auto", more than `max_points` prompts are an error; with "ignore", nothing is asked at all.
    go_on : callable
        Called before the requests about each few points; raises if the answer is not wanted any more.

    Raises
    ------
    TooManyPoints
        Nothing was touched.
    """
    if mode == "ignore":
        return []
    candidates = _candidates(gateway.points_in(slide, user_id, roi), slide, roi, term_ids | {background_term}, slice_id)
    prompts = _plain(gateway, candidates, go_on)
    if mode == "all":
        return list(prompts)
    found = list(islice(prompts, max_points + 1))
    if len(found) > max_points:
        raise TooManyPoints(
            f"More than {max_points} points lie in the box. Send points=all to use them all "
            "or with points=ignore to use none.",
            max_points=max_points,
        )
    return found


def prompt_of(point: PointAnnotation, slide: Slide, background_term: int | None) -> PointPrompt:
    """Give a point as a prompt."""
    return PointPrompt(point.x, flip_y(point.y, slide.height), label_of(point, background_term))


def label_of(point: PointAnnotation, background_term: int | None) -> PointLabel:
    """Tell what a point shows: the background if it has the term for that, else the object."""
    return PointLabel.BACKGROUND if background_term in point.term_ids else PointLabel.FOREGROUND


def _candidates(
    points: Sequence[PointAnnotation], slide: Slide, roi: Roi, term_ids: frozenset[int | None], slice_id: int | None
) -> list[PointAnnotation]:
    """Leave out what the list itself shows to be no prompt."""
    found = []
    for point in points:
        inside = is_finite_point(point.x, point.y) and roi.surrounds(point.x, flip_y(point.y, slide.height))
        foreign = bool(point.term_ids) and not point.term_ids & term_ids
        foreign = foreign or slice_id not in (None, point.slice_id)
        if inside and not foreign and point.is_bare:
            found.append(point)
    return found


def _plain(
    gateway: SlideGateway, candidates: list[PointAnnotation], go_on: Callable[[], None]
) -> Iterator[PointAnnotation]:
    """Go through the points that nothing hangs on; to see that costs requests for each, so it comes last."""
    with ThreadPoolExecutor(_AT_ONCE, "notes") as pool:
        for at in range(0, len(candidates), _AT_ONCE):
            go_on()
            some = candidates[at : at + _AT_ONCE]
            answers = [pool.submit(copy_context().run, gateway.is_plain, point) for point in some]
            yield from (point for point, is_plain in zip(some, answers, strict=True) if is_plain.result())
