"""A person who corrects an outline: clicks in the middle of what is most wrong, and what the service makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from app.geometry.frames import Roi, flip_geometry
from app.geometry.masks import BoolMask
from app.geometry.polygons import iou
from app.geometry.prompts import PointLabel, PointPrompt
from app.geometry.windows import plan_window
from app.usecases.ports import Claim, Plane, Slide
from app.usecases.prompt_session import PromptSession
from app.usecases.proposals import Choice
from app.usecases.segment_roi import SegmentRoi, Wish
from app.usecases.timings import Stopwatch
from bench.objects import LOOSE, chosen, roi_of

MOST_CLICKS = 8
FAR_OFF = (-0.1, 0.45)
"""How far each side of a bad box lies beyond the object, over its extent there; a negative one cuts into it."""
_SIDE_PX = 256
"""Pixels of the window on which a person looks for what is wrong."""

Clicks = Literal["+ only", "+ and −"]  # noqa: RUF001  the minus of the mathematicians
Boxes = Literal["loose", "far off"]


@dataclass(frozen=True, slots=True)
class Mode:
    """How an object is shown to the model."""

    clicks: Clicks
    box: Boxes
    proposal: Choice | None
    """None: what the checkpoint's card says."""

    @property
    def name(self) -> str:
        """As the page calls it."""
        return f"{self.clicks}, box {self.box}, {self.proposal or 'card'}"


MODES = tuple(
    Mode(clicks, box, proposal)
    for box in ("loose", "far off")
    for clicks in ("+ only", "+ and −")  # noqa: RUF001
    for proposal in (None, "best", "single")
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One object, and the boxes that were drawn around it."""

    kind: str
    slide: Slide
    truth: BaseGeometry
    """Slide frame."""
    loose: Roi
    far_off: Roi


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of an object, click by click."""

    kind: str
    mode: str
    ious: tuple[float, ...]
    """With the truth: of the box alone, then after each click. As many as there were clicks; who sees nothing wrong
    any more clicks no more."""


def subjects(data: Path, most: int, only: frozenset[str]) -> Iterator[Subject]:
    """Draw two boxes around each of the objects that `chosen` gives, a loose one and one that is far off."""
    rng = np.random.default_rng(0)
    for each in chosen(data, most, only, rng):
        slide = each.slide
        x0, y0, x1, y1 = each.truth.bounds
        corners, outwards = np.array([x0, y0, x1, y1]), np.array([x0 - x1, y0 - y1, x1 - x0, y1 - y0])
        loose, far_off = (corners + rng.uniform(*share, 4) * outwards for share in (LOOSE, FAR_OFF))
        yield Subject(each.kind, slide, each.truth, roi_of(loose, slide), roi_of(far_off, slide))


def corrected(subject: Subject, mode: Mode, segment: SegmentRoi) -> Corrected:
    """Show an object by its box, then click until it is right or nobody would click any more."""
    session = PromptSession(subject.loose if mode.box == "loose" else subject.far_off)
    sight = Sight(subject, session.first)
    ious = []
    for _ in range(MOST_CLICKS + 1):
        shape = _outlined(subject.slide, session, mode, segment)
        ious.append(iou(shape or shapely.Polygon(), subject.truth))
        click = sight.wrong(shape, session.clicks, mode.clicks)
        if click is None:
            break
        session = replace(session, clicks=(*session.clicks, click))
    return Corrected(subject.kind, mode.name, tuple(ious))


def _outlined(slide: Slide, session: PromptSession, mode: Mode, segment: SegmentRoi) -> BaseGeometry | None:
    """Outline as a refine does; slide frame."""
    framed = session.framed_by(slide)
    with segment.begun(slide, Plane(), framed, Stopwatch(), Claim(), session.clicks) as begun:
        shape = begun.outline(session.box, session.clicks, Wish(choice=mode.proposal)).shape
    return shape and flip_geometry(shape, slide.height)


class Sight:
    """What a person sees: the object in the window of its first box, as pixels.

    Parameters
    ----------
    subject : Subject
    first : Roi
        Slide frame.
    """

    def __init__(self, subject: Subject, first: Roi) -> None:
        window = plan_window(first, subject.slide.width, subject.slide.height)
        self._corner = np.array([window.x0, window.y0], np.float64)
        self._step = window.side_px0 / _SIDE_PX
        self._truth = self._painted(subject.truth)

    def wrong(self, shape: BaseGeometry | None, before: tuple[PointPrompt, ...], clicks: Clicks) -> PointPrompt | None:
        """Click in the middle of the largest error: where it is farthest to what is right, and nobody has clicked yet.

        Parameters
        ----------
        shape : geometry or None
            The outline, slide frame.
        before : tuple of PointPrompt
            Earlier clicks.

        Returns
        -------
        PointPrompt or None
            None where nothing is wrong that these clicks could tell.
        """
        found = self._painted(shape or shapely.Polygon())
        missing, extra = _depth(self._truth & ~found), _depth(found & ~self._truth)
        if clicks == "+ only":
            extra[:] = 0
        for depth in (missing, extra):
            for point in before:
                column, row = ((np.array([point.x, point.y]) - self._corner) / self._step).astype(int)
                depth[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
        label, depth = max(
            ((PointLabel.FOREGROUND, missing), (PointLabel.BACKGROUND, extra)), key=lambda each: float(each[1].max())
        )
        if depth.max() < 1:
            return None
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        x, y = (np.array([column, row]) + 0.5) * self._step + self._corner
        return PointPrompt(float(x), float(y), label)

    def _painted(self, shape: BaseGeometry) -> BoolMask:
        """Paint a shape on the window; every second ring is a hole."""
        canvas = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8)
        rings = [
            np.round((np.asarray(ring.coords) - self._corner) / self._step * 16 - 8).astype(np.int32)
            for part in shapely.get_parts(shape)
            if not part.is_empty
            for ring in (part.exterior, *part.interiors)
        ]
        cv2.fillPoly(canvas, rings, 1, shift=4)
        return canvas > 0


def _depth(error: BoolMask) -> npt.NDArray[np.float32]:
    """Give every wrong pixel's distance to what is right, or to the window's edge."""
    inside = np.pad(error, 1).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1], np.float32)
