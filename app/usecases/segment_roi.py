"""Segment the object in a box: window, embedding, mask, outline."""

from __future__ import annotations

from dataclasses import dataclass

from shapely import MultiPolygon, Polygon

from app.geometry.frames import Roi, flip_geometry
from app.geometry.masks import clean_mask, mask_in_model_frame
from app.geometry.polygons import Holes, Parts, clip_to_slide, outline, polygonal
from app.geometry.prompts import PointPrompt, prompts_in_window
from app.geometry.windows import Window, plan_window
from app.usecases.ports import Plane, Segmenter, Slide, WindowReader
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
class SegmentRoi:
    """The verb, with the rooms it needs."""

    reader: WindowReader
    segmenter: Segmenter

    def __call__(
        self,
        slide: Slide,
        plane: Plane,
        roi: Roi,
        points: tuple[PointPrompt, ...],
        stopwatch: Stopwatch,
        *,
        holes: Holes = "fill",
        parts: Parts = "all",
    ) -> Segmentation:
        """Outline the object that a box and points show.

        Parameters
        ----------
        roi : Roi
            Slide frame, inside the slide.
        points : tuple of PointPrompt
            Slide frame.
        """
        with stopwatch.step("box"):
            window = plan_window(roi, slide.width, slide.height)
        with stopwatch.step("window"):
            image = self.reader.read(slide, plane, window, self.segmenter.input_side_px)
        with stopwatch.step("encode"):
            embedding = self.segmenter.encode(image)
        with stopwatch.step("decode"):
            masks = self.segmenter.decode(embedding, prompts_in_window(roi, points, image.grid))
        with stopwatch.step("postprocess"):
            mask = clean_mask(mask_in_model_frame(masks.logits[masks.best]))
            shape = outline(mask, image.grid.resized(image.pixels.shape[:2], mask.shape), holes=holes, parts=parts)
            shape = shape and clip_to_slide(shape, slide.width, slide.height)
            shape = shape and polygonal(flip_geometry(shape, slide.height))
        return Segmentation(
            shape, float(masks.scores[masks.best]), window, window.downsample(max(image.pixels.shape[:2]))
        )
