"""Segment the object in a box: window, embedding, mask, outline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace

from shapely import MultiPolygon, Polygon

from app import spans
from app.geometry.frames import Roi, flip_geometry
from app.geometry.masks import clean_mask, mask_in_model_frame
from app.geometry.polygons import Holes, Parts, clip_to_slide, outline, polygonal
from app.geometry.prompts import PointPrompt, prompts_in_window
from app.geometry.windows import Window
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, EncodedWindow, Plane, Segmenter, Slide
from app.usecases.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What the model found in a box."""

    shape: Polygon | MultiPolygon | None
    """Platform frame, valid and inside the slide; None if nothing was found."""
    score: float
    """The model's own estimate of the IoU, 0 to 1."""
    window: Window
    downsample: float
    """Level-0 pixels per pixel of the array that the model was given."""


@dataclass(frozen=True, slots=True)
class BegunSegmentation:
    """A box whose window is being read and encoded, while the points are still looked for."""

    slide: Slide
    roi: Roi
    encoded: Future[EncodedWindow]
    segmenter: Segmenter
    stopwatch: Stopwatch

    def check(self) -> None:
        """Raise what has already kept the window from being encoded, for instance that the line is full."""
        if self.encoded.done():
            self.encoded.result()

    def outline(self, points: tuple[PointPrompt, ...], *, holes: Holes = "fill", parts: Parts = "all") -> Segmentation:
        """Outline the object that the box and points show.

        Parameters
        ----------
        points : tuple of PointPrompt
            Slide frame.

        Raises
        ------
        PlatformError, ModelError
            The window could not be read or encoded.
        """
        encoded, slide = self.encoded.result(), self.slide
        with self.stopwatch.step("decode"):
            masks = self.segmenter.decode(encoded.embedding, prompts_in_window(self.roi, points, encoded.grid))
        with self.stopwatch.step("postprocess"):
            mask = clean_mask(mask_in_model_frame(masks.logits[masks.best]))
            shape = outline(mask, encoded.grid.resized(encoded.shape, mask.shape), holes=holes, parts=parts)
            shape = shape and clip_to_slide(shape, slide.width, slide.height)
            shape = shape and polygonal(flip_geometry(shape, slide.height))
        downsample = encoded.window.downsample(max(encoded.shape))
        spans.note({"refine.window.side_px0": encoded.window.side_px0, "refine.points": len(points)})
        return Segmentation(shape, float(masks.scores[masks.best]), encoded.window, downsample)


@dataclass(frozen=True, slots=True)
class SegmentRoi:
    """The verb, with the rooms it needs."""

    embeddings: Embeddings
    segmenter: Segmenter

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
            Slide frame, inside the slide.
        points : tuple of PointPrompt
            Those that are known already and may lie around the box; whatever window serves holds them too.
        """
        prompted = roi.around((point.x, point.y) for point in points)
        left = threading.Event()
        claim = replace(claim, given_up=_either(left.is_set, claim.given_up))
        encoded = _started(lambda: self.embeddings.get(slide, plane, roi, stopwatch, claim, prompted))
        try:
            yield BegunSegmentation(slide, roi, encoded, self.segmenter, stopwatch)
        except BaseException:
            left.set()
            raise


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()


def _started(work: Callable[[], EncodedWindow]) -> Future[EncodedWindow]:
    """Run `work` in a thread of its own, with the request's context. Requests are bounded, so are the threads."""
    future: Future[EncodedWindow] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="window", daemon=True).start()
    return future
