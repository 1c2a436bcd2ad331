"""Make an outline again from what it was made from, and compare."""

from __future__ import annotations

from dataclasses import dataclass

from shapely import box

from app.geometry.frames import flip_y
from app.geometry.locations import write_location
from app.geometry.prompts import PointPrompt
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Segmenter, SlideGateway, WindowReader
from app.usecases.prompt_session import session_of
from app.usecases.recipe import Recipe
from app.usecases.segment_roi import SegmentRoi, Wish
from app.usecases.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Replay:
    """The verb, with the rooms it needs."""

    gateway: SlideGateway
    reader: WindowReader
    segmenter: Segmenter

    def __call__(self, recipe: Recipe) -> str | None:
        """Give the outline that comes of a recipe now, as WKT; None if nothing is found.

        It is made in the very window in which it was made then, without a look at what has become of the annotation.

        Raises
        ------
        PlatformError, ModelError, SlideNotFound, NotRefinable
        """
        slide = self.gateway.slide(recipe.slide_id)
        plane = self.gateway.plane(slide, recipe.slice_id)
        session = session_of(box(*recipe.first_box), slide, None, recipe.clicks)
        points = tuple(PointPrompt(each.x, flip_y(each.y, slide.height), each.label) for each in recipe.points)
        window = recipe.account.window
        embeddings = Embeddings(self.reader, self.segmenter, plan=lambda *_: window)
        segment = SegmentRoi(embeddings, self.segmenter, most_looks=1)
        wish = Wish(recipe.options, recipe.account.proposal)
        with segment.begun(slide, plane, session.framed_by(slide), Stopwatch(), Claim()) as begun:
            shape = begun.outline(session.box, (*session.clicks, *points), wish).shape
        return None if shape is None else write_location(shape)
