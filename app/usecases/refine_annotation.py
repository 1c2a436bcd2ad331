"""Refine an annotation in place, as a transaction: read, compute, re-read and compare, write, delete the points.

Nothing is deleted before the new location is stored. Whatever line is the last one that runs, the user has either the
old shape with all points, or the new shape with some of them left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shapely.geometry.base import BaseGeometry

from app.geometry.frames import flip_y
from app.geometry.locations import read_location, roi_of, write_location
from app.geometry.polygons import Holes, Parts
from app.geometry.prompts import PointPrompt
from app.usecases.find_points import PointsMode, find_points
from app.usecases.ports import Annotation, Claim, ModelInfo, Plane, PointAnnotation, Slide, SlideGateway, Stored
from app.usecases.segment_roi import Segmentation, SegmentRoi
from app.usecases.timings import Stopwatch
from app.usecases.write_back import WriteBack

Outcome = Literal["changed", "nothing found", "dry run"]


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """What the caller may choose."""

    keep_points: bool = False
    points: PointsMode = "auto"
    dry_run: bool = False
    holes: Holes = "fill"
    parts: Parts = "all"


@dataclass(frozen=True, slots=True)
class Refinement:
    """What became of an annotation."""

    annotation_id: int
    caller: int | None
    """Who asked, where that is known."""
    outcome: Outcome
    location: str
    """WKT, platform frame: as stored; with a dry run, as it would be."""
    previous_location: str
    score: float
    points_used: tuple[int, ...]
    points_deleted: tuple[int, ...]
    points_not_deleted: tuple[int, ...]
    """Points that should have been deleted, but changed, were refused by the platform, or came too late."""
    command: int | None
    """The handle of the write."""
    commands: tuple[int, ...]
    """Handles of everything that was done, in that order: the write, then each deletion. Undo them from the last."""
    model: ModelInfo
    segmentation: Segmentation
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is refined, as it was read."""

    caller: int | None
    annotation: Annotation
    geometry: BaseGeometry
    slide: Slide
    plane: Plane


@dataclass(frozen=True, slots=True)
class RefineAnnotation:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    segment: SegmentRoi
    max_points: int
    claim: Claim = Claim()

    def __call__(self, annotation_id: int, options: RefineOptions) -> Refinement:
        """Refine one annotation.

        Nothing is written after the claim's deadline, or once it was given up: whoever asked may be drawing again.

        Raises
        ------
        NotRefinable
            Nothing was touched.
        AnnotationChanged
            Somebody edited or deleted it meanwhile; their work stands.
        ModelBusy, CallerGone
            It took longer than the deadline, or nobody waits any more; nothing was touched.
        PlatformError, ModelError
            The old shape and all points stand, unless the fact `written` says otherwise: see `WriteBack.store`.
        """
        stopwatch = Stopwatch()
        with stopwatch.step("validity"):
            subject = self._read(annotation_id)
        points, segmentation = self._segment(subject, options, stopwatch)
        with stopwatch.step("update"):
            outcome, stored = self._write(subject.annotation, segmentation, options)
            doomed = points if outcome == "changed" and not options.keep_points else []
            deletions = WriteBack(self.gateway, self.claim).delete(subject.slide, doomed)
        return Refinement(
            annotation_id=annotation_id,
            caller=subject.caller,
            outcome=outcome,
            location=stored.location,
            previous_location=subject.annotation.location,
            score=segmentation.score,
            points_used=tuple(point.id for point in points),
            points_deleted=tuple(deletions.deleted),
            points_not_deleted=tuple(deletions.kept),
            command=stored.command,
            commands=(*(() if stored.command is None else (stored.command,)), *deletions.commands),
            model=self.segment.segmenter.info,
            segmentation=segmentation,
            timings_ms=stopwatch.timings_ms(),
        )

    def _read(self, annotation_id: int) -> _Subject:
        annotation = self.gateway.annotation(annotation_id)
        geometry = read_location(annotation.location)
        slide = self.gateway.slide(annotation.slide_id)
        plane = self.gateway.plane(slide, annotation.slice_id)
        return _Subject(self.gateway.caller(), annotation, geometry, slide, plane)

    def _segment(
        self, subject: _Subject, options: RefineOptions, stopwatch: Stopwatch
    ) -> tuple[list[PointAnnotation], Segmentation]:
        """Find the points and outline the object that they and the box show."""
        slide = subject.slide
        with stopwatch.step("box"):
            roi = roi_of(subject.geometry, slide.width, slide.height)
        with self.segment.begun(slide, subject.plane, roi, stopwatch, self.claim) as begun:

            def go_on() -> None:
                begun.check()
                self.claim.check()

            with stopwatch.step("points"):
                points = find_points(
                    self.gateway,
                    slide,
                    roi,
                    user_id=subject.annotation.user_id if subject.caller is None else subject.caller,
                    term_ids=subject.annotation.term_ids,
                    slice_id=subject.annotation.slice_id,
                    mode=options.points,
                    max_points=self.max_points,
                    go_on=go_on,
                )
            prompts = tuple(_as_prompt(point, slide) for point in points)
            return points, begun.outline(prompts, holes=options.holes, parts=options.parts)

    def _write(
        self, annotation: Annotation, segmentation: Segmentation, options: RefineOptions
    ) -> tuple[Outcome, Stored]:
        """Store the new location, if there is one and it is still wanted."""
        self.claim.check()
        if segmentation.shape is None:
            return "nothing found", Stored(annotation.location, None)
        location = write_location(segmentation.shape)
        if options.dry_run:
            return "dry run", Stored(location, None)
        return "changed", WriteBack(self.gateway, self.claim).store(annotation, location)


def _as_prompt(point: PointAnnotation, slide: Slide) -> PointPrompt:
    return PointPrompt(point.x, flip_y(point.y, slide.height))
