"""Refine an annotation of which the caller sends everything: its shape, its slide's size and its pixels.

Core's generation of 2026 reads and writes by itself; nothing of the platform is touched here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shapely import Polygon

from app.errors import RoiOutsideSlide
from app.geometry.frames import Roi, flip_y
from app.geometry.locations import read_location, roi_of
from app.geometry.outlines import OutlineOptions
from app.geometry.polygons import clip_to_slide, largest_polygon, polygonal
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, CropReader, Plane, Segmenter, Slide
from app.usecases.segment_roi import Account, SegmentRoi, Wish
from app.usecases.timings import Stopwatch

OpenCrop = Callable[[bytes, Roi, Slide, int, Claim], CropReader]
"""Makes a reader of a crop (an encoded image), the annotation's whole envelope (slide frame), the slide, the side that
the model sees, and who waits."""


@dataclass(frozen=True, slots=True)
class CropRefinement:
    """What became of the shape."""

    shape: Polygon
    """Platform frame, valid, inside the slide; the shape that came, if the model found nothing."""
    changed: bool
    account: Account
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class RefineCrop:
    """The verb, with the rooms it needs."""

    open_crop: OpenCrop
    segmenter: Segmenter

    def __call__(self, crop: bytes, location: str, slide_width: int, slide_height: int, claim: Claim) -> CropRefinement:
        """Outline the object in an annotation's box.

        Parameters
        ----------
        crop : bytes
            Encoded image of the square of twice the box' longer side, full resolution, as Core cuts it.
        location : str
            WKT, platform frame.
        slide_width, slide_height : int
            Level-0 pixels.

        Raises
        ------
        NotRefinable
            The location gives no box on the slide.
        BrokenImage
            The crop is no image, or larger than the slide.
        ModelError
            The model, or the memory to decode the crop, is not to be had in time.
        """
        stopwatch = Stopwatch()
        slide = Slide(0, slide_width, slide_height, "")
        with stopwatch.step("validity"):
            geometry = read_location(location)
        with stopwatch.step("box"):
            roi = roi_of(geometry, slide_width, slide_height)
            x0, y0, x1, y1 = geometry.bounds
            envelope = Roi(x0, flip_y(y1, slide_height), x1, flip_y(y0, slide_height))
            drawn = polygonal(geometry)
            drawn = drawn and clip_to_slide(drawn, slide_width, slide_height)
            if drawn is None:
                raise RoiOutsideSlide("The location has no area on the slide.")
        with stopwatch.step("window"):
            reader = self.open_crop(crop, envelope, slide, self.segmenter.input_side_px, claim)
        segment = SegmentRoi(Embeddings(reader, self.segmenter, plan=reader.plan), self.segmenter, most_looks=1)
        with segment.begun(slide, Plane(), roi, stopwatch, claim) as begun:
            found = begun.outline(roi, (), Wish(OutlineOptions(parts="largest"), drawn_px0=drawn.area))
        shape = largest_polygon(drawn if found.shape is None else found.shape)
        return CropRefinement(shape, found.shape is not None, found.account, stopwatch.timings_ms())
