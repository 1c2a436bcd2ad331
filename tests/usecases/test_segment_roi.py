"""Which mask, from how far away, and with which doubts: what the use case makes of a window."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import shapely

from app.errors import ModelBusy
from app.geometry.frames import Roi, SlideXY, flip_y
from app.geometry.judgement import Calibration, Growth, Judgement
from app.geometry.masks import Mask, Masks
from app.geometry.outlines import OutlineOptions, Style
from app.geometry.prompts import PointLabel, PointPrompt, Prompts
from app.geometry.windows import Window, WindowImage
from app.usecases import doubts
from app.usecases.embeddings import Embeddings
from app.usecases.look import MOST_LOOKS
from app.usecases.ports import Claim, ModelInfo, Plane, Slide
from app.usecases.proposals import Choice
from app.usecases.segment_roi import Segmentation, SegmentRoi, Wish
from app.usecases.timings import Stopwatch
from tests.fakes.rooms import DARK, DarkEmbedding, DarkSegmenter, DiscReader

SLIDE = Slide(5, 1000, 800, "slide.tif")
BOX = Roi(430, 330, 570, 470)
"""Around the disc of radius 60 at (500, 400)."""
SMALL = Roi(480, 380, 520, 420)
"""Inside of it: the window of twice its side is dark all over."""
PLUS, MINUS = (PointPrompt(500, 400, label) for label in (PointLabel.FOREGROUND, PointLabel.BACKGROUND))


@dataclass
class Judged(DarkSegmenter):
    """Finds all that is dark, box or not; its single mask is that of half the width."""

    judgement: Judgement = field(default_factory=Judgement)
    beyond: bool = False
    """Whether the box bounds nothing."""

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, judgement=self.judgement)

    def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
        if self.beyond:
            rows, columns = embedding.dark.shape
            prompts = replace(prompts, box=np.array([[0, 0], [columns, rows]]))
        masks = super().decode(embedding, prompts)
        half = masks.logits[1].copy()
        half[:, half.shape[1] // 2 :] = -5
        return Masks(masks.logits, masks.scores, Mask(half, 0.8))


def segmented(
    segmenter: DarkSegmenter,
    box: Roi = BOX,
    points: tuple[PointPrompt, ...] = (),
    wish: Wish = Wish(),
    *,
    reader: DiscReader | None = None,
    most_looks: int = MOST_LOOKS,
    claim: Claim = Claim(),
) -> Segmentation:
    embeddings = Embeddings(reader or DiscReader(), segmenter, 2**20)  # type: ignore[arg-type]
    segment = SegmentRoi(embeddings, segmenter, most_looks)  # type: ignore[arg-type]
    with segment.begun(SLIDE, Plane(), box, Stopwatch(), claim, points) as begun:
        return begun.outline(box, points, wish)


@pytest.mark.parametrize(
    ("takes", "points", "choice", "taken"),
    [
        ((), (), None, 1),
        ((("box", "single"),), (), None, "single"),
        ((("box", "single"),), (PLUS,), None, 1),
        ((("1 negative", "single"),), (MINUS,), None, "single"),
        ((("box", "single"),), (), "best", 1),
        ((), (), "single", "single"),
        ((("box", "single"),), (), 2, 2),
    ],
)
def test_the_card_says_which_mask_and_a_request_overrides_it(
    takes: tuple, points: tuple[PointPrompt, ...], choice: Choice | None, taken: object
) -> None:
    found = segmented(Judged(judgement=Judgement(takes)), points=points, wish=Wish(choice=choice))
    assert found.account.proposal == taken
    assert found.account.score == pytest.approx({"single": 0.8, 1: 0.9, 2: 0.2}[taken])  # type: ignore[index]
    if taken in ("single", 1):
        assert found.shape is not None
        whole = np.pi * 60**2
        assert found.shape.area == pytest.approx(whole / 2 if taken == "single" else whole, rel=0.05)


BESIDE = PointPrompt(520, 448, PointLabel.BACKGROUND)
"""Near the edge, inside of the disc."""
OUTSIDE = PointPrompt(564, 400)
"""Near the disc, inside the box."""


def test_all_proposals_heed_clicks_and_none_is_taken_for_it() -> None:
    found = segmented(Judged(), points=(OUTSIDE, BESIDE), wish=Wish(proposals="always"))
    assert found.account.proposal == 1
    shapes = [proposal.shape for proposal in found.proposals if proposal.shape]
    assert found.shape in shapes
    for shape in shapes:
        assert shape.covers(shapely.Point(564, flip_y(400, 800)))
        in_a_hole = shape.area > 4 * 60**2  # of the proposal that is the whole window; holes are filled
        assert in_a_hole or not shape.covers(shapely.Point(520, flip_y(448, 800)))


@pytest.mark.parametrize("point", [OUTSIDE, PointPrompt(545, 400, PointLabel.BACKGROUND)])
def test_a_click_that_no_mask_heeds_moves_the_outline_there_and_nowhere_else(point: PointPrompt) -> None:
    segmenter = DarkSegmenter()
    before, after = segmented(segmenter).shape, segmented(segmenter, points=(point,)).shape
    assert before is not None
    assert after is not None
    place = shapely.Point(point.x, flip_y(point.y, 800))
    assert before.covers(place) == (point.label == PointLabel.BACKGROUND)
    assert after.covers(place) == (point.label == PointLabel.FOREGROUND)
    assert before.symmetric_difference(after).difference(place.buffer(60)).area < 20  # of 11,310


@dataclass
class Overshooting(Judged):
    """Answers to any click with all that is dark in the window; its boxes bound what lies in them."""

    def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
        self.beyond = bool(len(prompts.labels))
        return super().decode(embedding, prompts)


LEFT_HALF = Roi(435, 335, 500, 465)
"""Of the disc."""


@pytest.mark.parametrize(
    ("growth", "choice", "box", "style", "near"),
    [
        ("near clicks", None, True, "smooth", True),
        ("near clicks", 1, True, "smooth", True),
        ("anywhere", None, True, "smooth", False),
        ("near clicks", None, True, "thesis", False),
        ("near clicks", None, False, "smooth", False),
    ],
)
def test_an_outline_grows_where_the_card_lets_it(
    growth: Growth, choice: Choice | None, box: bool, style: Style, near: bool
) -> None:
    segmenter = Overshooting(judgement=Judgement(growth=growth))
    embeddings = Embeddings(DiscReader(), segmenter, 2**20)  # type: ignore[arg-type]
    added = PointPrompt(508, 350)
    wish = Wish(choice=choice, outline=OutlineOptions(style=style), proposals="always")
    with SegmentRoi(embeddings, segmenter).begun(  # type: ignore[arg-type]
        SLIDE, Plane(), LEFT_HALF, Stopwatch(), Claim(), (added,)
    ) as begun:
        found = begun.outline(LEFT_HALF if box else None, (added,), wish)
    assert found.shape is not None
    assert found.shape.covers(shapely.Point(508, flip_y(350, 800)))
    right = shapely.Point(540, flip_y(400, 800))
    assert found.shape.covers(right) != near
    assert found.shape == found.proposals[1].shape


def test_each_proposal_is_what_a_request_for_it_gives() -> None:
    segmenter = Judged(judgement=Judgement(growth="near clicks"))
    offered = segmented(segmenter, points=(PLUS,), wish=Wish(proposals="always"), most_looks=1).proposals
    asked = [
        segmented(segmenter, points=(PLUS,), wish=Wish(choice=proposal.index), most_looks=1).shape
        for proposal in offered
    ]
    assert len(asked) == 3
    assert [proposal.shape for proposal in offered] == asked
    assert len({shape.wkt for shape in asked if shape}) > 1


def test_growth_of_a_proposal_is_measured_from_the_same_one() -> None:
    segmenter = Judged(judgement=Judgement(growth="near clicks"))
    around = segmented(segmenter, wish=Wish(choice=0)).shape
    assert around is not None
    assert around.covers(shapely.Point(OUTSIDE.x, flip_y(OUTSIDE.y, 800)))
    assert segmented(segmenter, points=(OUTSIDE,), wish=Wish(choice=0)).shape == around


def test_growth_is_measured_from_the_mask_that_the_box_alone_would_get() -> None:
    right = shapely.Point(540, flip_y(400, 800))
    for growth, grows in (("anywhere", True), ("near clicks", False)):
        judgement = Judgement((("box", "single"), ("1 positive", "best")), growth=growth)  # type: ignore[arg-type]
        found = segmented(Judged(judgement=judgement), points=(PointPrompt(470, 400),)).shape
        assert found is not None
        assert found.covers(right) == grows  # the single mask ends in the middle


def test_clicks_beyond_the_window_keep_nothing_from_growing() -> None:
    segmenter = Overshooting(judgement=Judgement(growth="near clicks"))
    segment = SegmentRoi(Embeddings(DiscReader(), segmenter, 2**20), segmenter)  # type: ignore[arg-type]
    with segment.begun(SLIDE, Plane(), LEFT_HALF, Stopwatch(), Claim()) as begun:
        found = begun.outline(LEFT_HALF, (PointPrompt(900, 700, PointLabel.BACKGROUND),)).shape
    assert found is not None
    assert found.covers(shapely.Point(540, flip_y(400, 800)))


def test_a_card_without_a_word_of_growth_asks_the_decoder_once() -> None:
    for growth, asked in (("anywhere", 1), ("near clicks", 2)):
        segmenter = Judged(judgement=Judgement(growth=growth))  # type: ignore[arg-type]
        segmented(segmenter, points=(PLUS,))
        assert len(segmenter.prompts) == asked
        segmented(segmenter)
        assert len(segmenter.prompts) == asked + 1


def test_in_the_thesis_style_clicks_are_hints_alone() -> None:
    wish = Wish(outline=OutlineOptions(style="thesis"))
    before, after = (segmented(Judged(), points=points, wish=wish) for points in ((), (BESIDE, OUTSIDE)))
    assert before.shape == after.shape
    assert before.account.proposal == after.account.proposal == 1


def test_a_model_without_a_single_mask_answers_with_its_best() -> None:
    assert segmented(DarkSegmenter(), wish=Wish(choice="single")).account.proposal == 1


def test_a_good_outline_is_not_doubted() -> None:
    judged = segmented(DarkSegmenter()).account.judged
    assert (judged.doubts, judged.doubtful, judged.calibrated) == ((), False, False)
    assert judged.confidence == pytest.approx(0.9)


def test_the_confidence_is_what_the_card_makes_of_the_signs() -> None:
    halved = Judgement((), Calibration((("score", 1.0),), ((0.0, 0.0), (1.0, 0.5))))
    account = segmented(Judged(judgement=halved)).account
    assert account.score == pytest.approx(0.9)
    assert account.judged.confidence == pytest.approx(0.45)
    assert account.judged.calibrated
    assert account.judged.doubts == (doubts.LOW_CONFIDENCE,)


def test_glass_is_told_also_where_the_window_is_remembered() -> None:
    segmenter = DarkSegmenter()
    embeddings = Embeddings(DiscReader(radius=0), segmenter, 2**20)
    for _ in range(2):
        with SegmentRoi(embeddings, segmenter).begun(SLIDE, Plane(), BOX, Stopwatch(), Claim()) as begun:
            assert doubts.ONLY_GLASS in begun.outline(BOX, ()).account.judged.doubts
    assert segmenter.encoded == 1


def test_points_alone_are_judged_by_what_was_found() -> None:
    class Everything(DarkSegmenter):
        def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
            rows, columns = embedding.dark.shape
            return super().decode(embedding, replace(prompts, box=np.array([[0, 0], [columns, rows]])))

    embeddings = Embeddings(DiscReader(), Everything(), 0)  # type: ignore[arg-type]
    for radius, expected in ((60, ()), (0, ())):
        embeddings = Embeddings(DiscReader(radius=radius), Everything(), 0)  # type: ignore[arg-type]
        with SegmentRoi(embeddings, Everything()).begun(SLIDE, Plane(), BOX, Stopwatch(), Claim()) as begun:
            found = begun.outline(None, (PLUS,))
        assert (found.shape is not None) == bool(radius)
        assert found.account.judged.doubts == expected


def test_the_size_is_that_of_the_drawn_shape() -> None:
    area = np.pi * 60**2
    assert segmented(DarkSegmenter(), wish=Wish(drawn_px0=area * 20)).account.judged.doubts == (doubts.FAR_SMALLER,)
    assert segmented(DarkSegmenter(), wish=Wish(drawn_px0=area / 3)).account.judged.doubts == (doubts.FAR_LARGER,)


def test_what_the_window_cuts_off_is_looked_at_again_from_further_away() -> None:
    segmenter = Judged(beyond=True)
    found = segmented(segmenter, SMALL)
    assert segmenter.encoded == 2
    assert found.account.window.side_px0 == 160
    assert found.shape is not None
    assert found.shape.area == pytest.approx(np.pi * 60**2, rel=0.02)
    x, y = found.shape.centroid.coords[0]
    assert (x, y) == (pytest.approx(500, abs=1), pytest.approx(flip_y(400, 800), abs=1))
    assert doubts.CUT not in found.account.judged.doubts


def test_clicks_come_to_the_wider_window_without_encoding_anything() -> None:
    segmenter = Judged(beyond=True)
    embeddings = Embeddings(DiscReader(), segmenter, 2**20)  # type: ignore[arg-type]
    for points in ((), (PLUS,), (PLUS, PointPrompt(566, 400, PointLabel.BACKGROUND))):
        with SegmentRoi(embeddings, segmenter).begun(  # type: ignore[arg-type]
            SLIDE, Plane(), SMALL, Stopwatch(), Claim(), points
        ) as begun:
            assert begun.outline(SMALL, points).account.window.side_px0 == 160
    assert segmenter.encoded == 2


def test_it_is_not_looked_at_for_ever() -> None:
    segmenter = Judged(beyond=True)
    found = segmented(segmenter, Roi(499, 399, 501, 401), reader=DiscReader(radius=300))
    assert segmenter.encoded == MOST_LOOKS
    assert found.account.judged.doubts[-2:] == (doubts.CUT, doubts.FAR_LARGER)


def test_the_slides_own_border_cuts_nothing_off() -> None:
    segmenter = Judged(beyond=True)
    found = segmented(segmenter, Roi(0, 0, 1000, 800), reader=DiscReader(radius=2000))
    assert segmenter.encoded == 1
    assert doubts.CUT not in found.account.judged.doubts


def test_where_one_window_is_all_there_is_the_doubt_is_told() -> None:
    segmenter = Judged(beyond=True)
    assert doubts.CUT in segmented(segmenter, SMALL, most_looks=1).account.judged.doubts
    assert segmenter.encoded == 1


def test_without_time_for_another_look_the_first_one_counts() -> None:
    class Slow(Judged):
        def encode(self, image: WindowImage, claim: Claim) -> DarkEmbedding:
            if self.encoded:
                raise ModelBusy("Too late.", retry_after_s=1.0)
            return super().encode(image, claim)

    found = segmented(Slow(beyond=True), SMALL, claim=Claim(deadline=time.monotonic() + 60))
    assert found.account.window.side_px0 == 80
    assert doubts.CUT in found.account.judged.doubts


def test_a_wider_window_in_which_nothing_is_found_is_forgotten() -> None:
    @dataclass
    class Near(DiscReader):
        def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
            image = super().read(slide, plane, window, side_px)
            return image if window.side_px0 == 80 else replace(image, pixels=np.full_like(image.pixels, 255))

    found = segmented(Judged(beyond=True), SMALL, reader=Near())
    assert found.account.window.side_px0 == 80
    assert found.shape is not None
    assert doubts.CUT in found.account.judged.doubts


def test_a_click_on_a_spur_keeps_it() -> None:
    @dataclass
    class Spurred(DiscReader):
        def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
            image = super().read(slide, plane, window, side_px)
            pixels = image.pixels.copy()
            (left, top), (right, bottom) = image.grid.to_window(SlideXY(np.array([[500.0, 396], [590, 404]]))).astype(
                int
            )
            pixels[top:bottom, left:right] = DARK
            return replace(image, pixels=pixels)

    wide = Roi(400, 300, 600, 500)
    there = PointPrompt(585, 400)
    without = segmented(DarkSegmenter(), wide, reader=Spurred()).shape
    kept = segmented(DarkSegmenter(), wide, (there,), reader=Spurred()).shape
    background = segmented(DarkSegmenter(), wide, (PointPrompt(585, 400, PointLabel.BACKGROUND),), reader=Spurred())
    assert without is not None
    assert kept is not None
    assert background.shape is not None
    assert without.bounds[2] < 563 < 585 < kept.bounds[2]
    assert background.shape.bounds[2] < 563
