"""Segment the object in a box: window, embedding, mask, outline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from shapely import MultiPolygon, Polygon

from app import spans
from app.errors import DeviceOutOfMemory, ModelBusy
from app.geometry.choices import Taken
from app.geometry.frames import Roi, SlideXY, flip_geometry
from app.geometry.outlines import OutlineOptions, outline_on_slide
from app.geometry.polygons import polygonal
from app.geometry.prompts import PointLabel, PointPrompt, prompts_in_window
from app.geometry.signs import signs_of
from app.geometry.windows import Window
from app.usecases.answer import Answer, answered
from app.usecases.doubts import Evidence, Judged, judge
from app.usecases.embeddings import Embeddings
from app.usecases.look import MOST_LOOKS, Look, parts_of
from app.usecases.ports import Claim, EncodedWindow, Plane, Segmenter, Slide
from app.usecases.prompt_session import Bounds, platform_bounds
from app.usecases.proposals import INDICES, Choice, Proposal, take
from app.usecases.timings import Stopwatch

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Wish:
    """How an object is to be outlined, and what is to be told of it."""

    outline: OutlineOptions = field(default_factory=OutlineOptions)
    choice: Choice | None = None
    """None: what the checkpoint is best at."""
    proposals: Literal["never", "if doubtful", "always"] = "never"
    """When the others are outlined too."""
    drawn_px0: float | None = None
    """Area of the shape that was drawn around the object, level-0 pixels; None: that of the box."""


@dataclass(frozen=True, slots=True)
class Account:
    """All that is told of an outline beside its shape."""

    score: float
    """The model's own estimate of the IoU, 0 to 1."""
    proposal: Taken
    judged: Judged
    box: Bounds | None
    """The box prompt, platform frame; None where points alone showed the object."""
    window: Window
    downsample: float
    """Level-0 pixels per pixel of the array that the model was given."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the model found."""

    shape: Polygon | MultiPolygon | None
    """Platform frame, valid and inside the slide; None if nothing was found."""
    account: Account
    proposals: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True)
class BegunSegmentation:
    """A box whose window is being read and encoded, while the points are still looked for."""

    slide: Slide
    encoded: Future[EncodedWindow]
    segmenter: Segmenter
    stopwatch: Stopwatch
    further: Callable[[Roi], EncodedWindow]
    """Gives the window of another box."""
    most_looks: int

    def check(self) -> None:
        """Raise what has already kept the window from being encoded, for instance that the line is full."""
        if self.encoded.done():
            self.encoded.result()

    def outline(self, box: Roi | None, points: tuple[PointPrompt, ...], wish: Wish = Wish()) -> Segmentation:
        """Outline the object that the box and points show.

        Parameters
        ----------
        box : Roi or None
            The box prompt, slide frame.
        points : tuple of PointPrompt
            Slide frame.

        Raises
        ------
        PlatformError, ModelError
            The window could not be read or encoded.
        """
        look = self._seen(box, points, wish)
        with self.stopwatch.step("postprocess"):
            shape = self._in_platform(look.shape)
            account = self._account(look, box, wish)
            told = wish.proposals == "always" or (wish.proposals == "if doubtful" and account.judged.doubtful)
            proposals = tuple(self._proposals(look, points, wish.outline)) if told and shape else ()
        spans.note({"refine.window.side_px0": look.encoded.window.side_px0, "refine.points": len(points)})
        return Segmentation(shape, account, proposals)

    def _seen(self, box: Roi | None, points: tuple[PointPrompt, ...], wish: Wish) -> Look:
        """Look at the object; where the window cuts it off, look again from further away, as long as there is time."""
        look = self._look(self.encoded.result(), box, points, wish)
        for _ in range(1, self.most_looks):
            wider = look.further(self.slide)
            if wider is None:
                break
            try:
                again = self._look(self.further(wider), box, points, wish)
            except (ModelBusy, DeviceOutOfMemory):
                break  # what was seen is told, with its doubt
            if again.shape is None:
                break
            look = again
        return look

    def _look(self, encoded: EncodedWindow, box: Roi | None, points: tuple[PointPrompt, ...], wish: Wish) -> Look:
        prompts = prompts_in_window(box, points, encoded.grid)
        with self.stopwatch.step("decode"):
            answer = answered(self.segmenter, encoded, prompts, hints=wish.outline.style == "thesis")
        with self.stopwatch.step("postprocess"):
            taken = take(answer.masks, wish.choice, points, self.segmenter.info.judgement)
            shape = self._outlined(encoded, answer, wish.choice, points, wish.outline)
        return Look(encoded, answer, taken, shape)

    def _outlined(
        self,
        encoded: EncodedWindow,
        answer: Answer,
        choice: Choice | None,
        points: tuple[PointPrompt, ...],
        options: OutlineOptions,
    ) -> Polygon | MultiPolygon | None:
        """Outline a mask, slide frame, inside the slide."""
        values = answer.outlined(choice, points, self.segmenter.info.judgement)
        size = (self.slide.width, self.slide.height)
        shown = SlideXY(
            np.array([(each.x, each.y) for each in points if each.label == PointLabel.FOREGROUND]).reshape(-1, 2)
        )
        return outline_on_slide(values, encoded.grid, encoded.shape, options, size, shown)

    def _in_platform(self, shape: Polygon | MultiPolygon | None) -> Polygon | MultiPolygon | None:
        return shape and polygonal(flip_geometry(shape, self.slide.height))

    def _account(self, look: Look, box: Roi | None, wish: Wish) -> Account:
        info = self.segmenter.info
        drawn = wish.drawn_px0 if wish.drawn_px0 or box is None else box.width * box.height
        evidence = Evidence(
            info.judgement.confidence(signs_of(look.answer.masks, look.taken)),
            look.is_cut(self.slide),
            parts_of(look.shape),
            look.shape.area / drawn if look.shape and drawn else None,
            look.sight(box),
        )
        return Account(
            score=look.answer.masks.of(look.taken).score,
            proposal=look.taken,
            judged=judge(evidence, info),
            box=None if box is None else platform_bounds(box, self.slide),
            window=look.encoded.window,
            downsample=look.encoded.window.downsample(max(look.encoded.shape)),
        )

    def _proposals(self, look: Look, points: tuple[PointPrompt, ...], options: OutlineOptions) -> Iterator[Proposal]:
        for index in INDICES:
            shape = self._in_platform(self._outlined(look.encoded, look.answer, index, points, options))
            yield Proposal(index, look.answer.masks.of(index).score, shape)


@dataclass(frozen=True, slots=True)
class SegmentRoi:
    """The verb, with the rooms it needs."""

    embeddings: Embeddings
    segmenter: Segmenter
    most_looks: int = MOST_LOOKS
    """1 where there are no pixels beyond the box' window, or where another look is too dear."""

    @contextmanager
    def begun(
        self,
        slide: Slide,
        plane: Plane,
        roi: Roi,
        stopwatch: Stopwatch,
        claim: Claim,
        points: tuple[PointPrompt, ...] = (),
    ) -> Iterator[BegunSegmentation]:
        """Begin to segment a box in the background; the encoder's line is left if the block raises.

        Parameters
        ----------
        roi : Roi
            Slide frame, inside the slide: the box whose window the model looks at.
        points : tuple of PointPrompt
            Those that are known already and may lie around the box; whatever window serves holds them too.
        """
        prompted = roi.around((point.x, point.y) for point in points)
        left = threading.Event()
        claim = replace(claim, given_up=_either(left.is_set, claim.given_up))

        def window(roi: Roi) -> EncodedWindow:
            return self.embeddings.get(slide, plane, roi, stopwatch, claim, prompted)

        encoded = started(lambda: window(roi))
        try:
            yield BegunSegmentation(slide, encoded, self.segmenter, stopwatch, window, self.most_looks)
        except BaseException:
            left.set()
            raise


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()


def started(work: Callable[[], Result]) -> Future[Result]:
    """Run `work` in a thread of its own, with the request's context. Requests are bounded, so are the threads."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="window", daemon=True).start()
    return future
