"""Refine an annotation in place, as a transaction: read, compute, re-read and compare, write, delete the points.

Nothing is deleted before the new location is stored. Whichever line runs last, the user has either the old shape with
all points, or the new shape with some of them left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from shapely.geometry.base import BaseGeometry

from app.errors import DoubtfulOutline
from app.geometry.locations import read_location, write_location
from app.geometry.outlines import OutlineOptions, Style
from app.geometry.polygons import Holes, Parts
from app.usecases.find_points import PointsMode, find_points, label_of, prompt_of
from app.usecases.ports import Annotation, Claim, Plane, PointAnnotation, Slide, SlideGateway, Stored
from app.usecases.preview import Preview, state_of
from app.usecases.prompt_session import Bounds, Click, PromptSession, session_of
from app.usecases.proposals import Choice
from app.usecases.recipe import Recipe
from app.usecases.refinement import Outcome, Refinement
from app.usecases.segment_roi import Segmentation, SegmentRoi, Wish
from app.usecases.slide_records import SlideRecords
from app.usecases.timings import Stopwatch
from app.usecases.write_back import Deletions, WriteBack

Doubtful = Literal["write", "preview", "refuse"]
"""What to do with a doubtful outline."""


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """The caller's options."""

    keep_points: bool = False
    points: PointsMode = "auto"
    dry_run: bool = False
    holes: Holes = "fill"
    parts: Parts = "all"
    box: Bounds | None = None
    """The first box; None: the annotation's envelope."""
    clicks: tuple[Click, ...] = ()
    proposal: Choice | None = None
    detail: int | None = None
    """Most vertices."""
    outline: Style = "smooth"
    doubtful: Doubtful = "write"

    @property
    def wish(self) -> Wish:
        """How to outline the object; a preview also shows the other proposals."""
        shown: dict[Doubtful, Literal["never", "if doubtful"]] = {"preview": "if doubtful"}
        return Wish(
            OutlineOptions(self.holes, self.parts, self.outline, self.detail),
            self.proposal,
            "always" if self.dry_run else shown.get(self.doubtful, "never"),
        )


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is refined, as it was read."""

    caller: int | None
    annotation: Annotation
    geometry: BaseGeometry
    slide: Slide
    plane: Plane


@dataclass(frozen=True, slots=True)
class _Found:
    """What was made of it, and by which prompts."""

    session: PromptSession
    points: list[PointAnnotation]
    segmentation: Segmentation


@dataclass(frozen=True, slots=True)
class RefineAnnotation:
    """The use case, with the ports it needs."""

    gateway: SlideGateway
    segment: SegmentRoi
    max_points: int
    claim: Claim = Claim()
    background_term: int | None = None
    """Points with this term mark background."""
    records: SlideRecords = field(default_factory=SlideRecords)

    def __call__(self, annotation_id: int, options: RefineOptions) -> Refinement:
        """Refine one annotation.

        Nothing is written after the claim's deadline, or once it was given up: the user may be drawing again.

        Raises
        ------
        NotRefinable
            Nothing was changed.
        DoubtfulOutline
            The outline is doubtful, and the options refuse such outlines.
        AnnotationChanged
            Somebody edited or deleted it meanwhile; their work stands.
        ModelBusy, CallerGone
            It took longer than the deadline, or nobody waits any more; nothing was changed.
        PlatformError, ModelError
            The old shape and all points stand, unless the fact `written` says otherwise: see `WriteBack.store`.
        """
        stopwatch = Stopwatch()
        with stopwatch.step("validity"):
            subject = self._read(annotation_id, fresh=not options.dry_run)
        found = self._segment(subject, options, stopwatch)
        outcome, location = self._decide(subject.annotation, found.segmentation, options)
        stored, deletions = Stored(location, None), Deletions()
        with stopwatch.step("update"):
            if outcome == "changed":
                back = WriteBack(self.gateway, self.claim)
                stored = back.store(subject.annotation, location)
                deletions = back.delete(subject.slide, [] if options.keep_points else found.points)
        shows = outcome in ("dry run", "doubtful")
        recipe = None if outcome == "nothing found" else self._recipe(subject, found, options, location)
        return Refinement(
            annotation_id=annotation_id,
            caller=subject.caller,
            outcome=outcome,
            location=stored.location,
            previous_location=subject.annotation.location,
            account=found.segmentation.account,
            points_used=tuple(point.id for point in found.points),
            points_deleted=tuple(deletions.deleted),
            points_not_deleted=tuple(deletions.kept),
            command=stored.command,
            commands=deletions.commands_after(stored),
            model=self.segment.segmenter.info,
            timings_ms=stopwatch.timings_ms(),
            proposals=found.segmentation.proposals if shows else (),
            recipe=recipe,
            preview=self._preview(subject, found, options, recipe) if recipe and shows else None,
        )

    def _read(self, annotation_id: int, *, fresh: bool) -> _Subject:
        annotation = self.gateway.annotation(annotation_id)
        geometry = read_location(annotation.location)
        slide, plane = self.records.of(self.gateway, annotation, fresh=fresh)
        return _Subject(self.gateway.caller(), annotation, geometry, slide, plane)

    def _segment(self, subject: _Subject, options: RefineOptions, stopwatch: Stopwatch) -> _Found:
        """Find the points and outline the object that they, the clicks and the box show."""
        slide = subject.slide
        with stopwatch.step("box"):
            session = session_of(subject.geometry, slide, options.box, options.clicks)
            framed = session.framed_by(slide)
        with self.segment.begun(slide, subject.plane, framed, stopwatch, self.claim, session.clicks) as begun:

            def go_on() -> None:
                begun.check()
                self.claim.check()

            with stopwatch.step("points"):
                points = find_points(
                    self.gateway,
                    slide,
                    session.box,
                    user_id=subject.annotation.user_id if subject.caller is None else subject.caller,
                    term_ids=subject.annotation.term_ids,
                    slice_id=subject.annotation.slice_id,
                    background_term=self.background_term,
                    mode=options.points,
                    max_points=self.max_points,
                    go_on=go_on,
                )
            prompts = (*session.clicks, *(prompt_of(point, slide, self.background_term) for point in points))
            return _Found(session, points, begun.outline(session.box, prompts, _of_drawn(options, subject)))

    def _decide(
        self, annotation: Annotation, segmentation: Segmentation, options: RefineOptions
    ) -> tuple[Outcome, str]:
        """Say what becomes of an outline, and give it as the platform stores it."""
        self.claim.check()
        if segmentation.shape is None:
            return "nothing found", annotation.location
        location, judged = write_location(segmentation.shape), segmentation.account.judged
        if options.dry_run:
            return "dry run", location
        if not judged.doubtful or options.doubtful == "write":
            return "changed", location
        if options.doubtful == "preview":
            return "doubtful", location
        doubts = list(judged.doubts)
        raise DoubtfulOutline(" ".join(doubts), doubts=doubts, confidence=judged.confidence)

    def _recipe(self, subject: _Subject, found: _Found, options: RefineOptions, location: str) -> Recipe:
        return Recipe(
            slide_id=subject.slide.id,
            slice_id=subject.annotation.slice_id,
            first_box=options.box or subject.geometry.bounds,
            clicks=options.clicks,
            points=tuple(Click(each.x, each.y, label_of(each, self.background_term)) for each in found.points),
            options=options.wish.outline,
            account=found.segmentation.account,
            location=location,
        )

    def _preview(self, subject: _Subject, found: _Found, options: RefineOptions, recipe: Recipe) -> Preview:
        return Preview(
            annotation_id=subject.annotation.id,
            caller=subject.caller,
            state=state_of(subject.annotation),
            recipe=recipe,
            points=tuple(found.points),
            keep_points=options.keep_points,
            model_sha256=self.segment.segmenter.info.sha256,
        )


def _of_drawn(options: RefineOptions, subject: _Subject) -> Wish:
    """Say how large a shape was drawn; where a box is given, that is it."""
    return options.wish if options.box else replace(options.wish, drawn_px0=subject.geometry.area)
