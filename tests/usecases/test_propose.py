from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import pytest
import shapely

from app.errors import (
    AnnotationNotFound,
    CallerGone,
    InvalidPrompt,
    ModelBusy,
    NotRefinable,
    PlatformUnavailable,
    RegionTooLarge,
    RoiOutsideSlide,
    SlideNotFound,
)
from app.geometry.judgement import Calibration, Judgement
from app.geometry.polygons import iou
from app.usecases.embeddings import Embeddings
from app.usecases.exemplars import on_slide
from app.usecases.ports import Claim, Slide
from app.usecases.proposal_shapes import Proposed
from app.usecases.propose import Asked, Limits, Propose
from app.usecases.proposing import Proposing
from tests.fakes.discs import PLACES, RADIUS, ManyDiscs, Pointing
from tests.fakes.rooms import FakeGateway, annotation

DISCS = [shapely.Point(x, 800 - y).buffer(RADIUS) for x, y in PLACES]
"""Platform frame."""
WHOLE = shapely.box(0, 0, 1000, 800)


@pytest.fixture
def reader() -> ManyDiscs:
    return ManyDiscs()


@pytest.fixture
def model() -> Pointing:
    return Pointing()


@pytest.fixture
def gateway() -> FakeGateway:
    drawn = {at: annotation(at, disc.wkt) for at, disc in enumerate(DISCS, start=100)}
    square = "POLYGON ((0 0, 500 0, 500 400, 0 400, 0 0))"
    elsewhere = replace(annotation(8, square), slide_id=6)
    return FakeGateway(annotations={**drawn, 7: annotation(7, square), 8: elsewhere, 9: annotation(9, "POINT (1 1)")})


@pytest.fixture
def propose(gateway: FakeGateway, reader: ManyDiscs, model: Pointing) -> Propose:
    return Propose(gateway, Embeddings(reader, model), model)


def all_of(proposing: Proposing) -> list[Proposed]:
    return [each for some in proposing.tiles() for each in some]


def hits(found: list[Proposed]) -> set[int]:
    return {at for at, disc in enumerate(DISCS) for each in found if iou(each.shape, disc) > 0.8}


def test_all_objects_of_a_region_are_proposed_once_and_nothing_is_written(
    propose: Propose, gateway: FakeGateway
) -> None:
    proposing = propose.begin(Asked(WHOLE, 5))
    found = all_of(proposing)
    assert hits(found) == set(range(len(DISCS)))
    assert [each.number for each in found] == list(range(1, len(DISCS) + 1))
    ended = proposing.ended()
    assert (ended.proposals, ended.tiles, ended.stopped) == (len(DISCS), len(proposing.wanted.tiles), None)
    assert ended.prompts == 256 * ended.tiles
    assert all(each.likeness is None and each.confidence is None for each in found)
    assert gateway.writes == []


@pytest.mark.parametrize("like", [(), (119,)])
def test_tiles_that_show_only_glass_are_left_out(propose: Propose, model: Pointing, like: tuple[int, ...]) -> None:
    places = [(x, y) for x, y in PLACES if x > 700 and y > 400]
    reader = ManyDiscs(places)
    found = all_of(
        proposing := replace(propose, embeddings=Embeddings(reader, model)).begin(Asked(WHOLE, 5, like=like))
    )
    assert hits(found) == {PLACES.index(place) for place in places} - {at - 100 for at in like}
    ended = proposing.ended()
    assert ended.empty > ended.tiles
    assert (ended.left, ended.stopped) == (0, None)
    assert len(reader.read_windows) == 1 + ended.tiles + len(like)


def test_nothing_is_encoded_where_all_is_glass(propose: Propose, model: Pointing) -> None:
    proposing = replace(propose, embeddings=Embeddings(ManyDiscs([]), model)).begin(Asked(WHOLE, 5))
    assert all_of(proposing) == []
    assert (proposing.ended().tiles, proposing.ended().stopped) == (0, None)
    assert proposing.ended().empty > 0
    assert model.encoded == 0


def test_few_tiles_are_searched_without_looking_over_them(propose: Propose, reader: ManyDiscs) -> None:
    proposing = propose.begin(Asked(shapely.box(0, 0, 300, 300), 5))
    all_of(proposing)
    assert len(reader.read_windows) == len(proposing.wanted.tiles) == 4


def test_what_cannot_be_looked_over_is_searched_all_the_same(propose: Propose, reader: ManyDiscs) -> None:
    reader.error_at = {1: PlatformUnavailable("no overview")}
    assert hits(all_of(propose.begin(Asked(WHOLE, 5)))) == set(range(len(DISCS)))


def test_whoever_has_gone_gets_no_overview(propose: Propose, reader: ManyDiscs) -> None:
    with pytest.raises(CallerGone):
        replace(propose, claim=Claim(given_up=lambda: True)).begin(Asked(WHOLE, 5))
    assert reader.read_windows == []


def test_tiles_full_of_tissue_come_first(propose: Propose, model: Pointing) -> None:
    close = [(x, y) for x in range(530, 1000, 66) for y in range(400, 800, 66)]
    reader = ManyDiscs([(130, 100), *close])
    proposing = replace(propose, embeddings=Embeddings(reader, model)).begin(Asked(WHOLE, 5))
    corners = [(tile.window.x0, tile.window.y0) for tile in proposing.wanted.tiles]
    full = [at for at, (x, y) in enumerate(corners) if x > 500 and y > 300]
    assert full == list(range(len(full)))
    assert (0, 0) in corners[len(full) :]


def test_a_region_may_be_an_annotation(propose: Propose) -> None:
    found = all_of(propose.begin(Asked(7)))
    assert hits(found) == {at for at, (x, y) in enumerate(PLACES) if x < 500 and y > 400}
    assert len(all_of(propose.begin(Asked(7, 5)))) == len(found)


def test_only_objects_whose_middle_lies_in_the_region_are_proposed(propose: Propose) -> None:
    corner = shapely.Polygon([(0, 0), (1000, 0), (1000, 350), (250, 350), (250, 800), (0, 800)])
    found = all_of(propose.begin(Asked(corner, 5)))
    assert hits(found) == {at for at, (x, y) in enumerate(PLACES) if x < 250 or y > 450}


def test_others_like_some_are_proposed_without_these(propose: Propose, model: Pointing) -> None:
    proposing = propose.begin(Asked(WHOLE, 5, like=(100, 105, 110)))
    found = all_of(proposing)
    assert hits(found) == set(range(len(DISCS))) - {0, 5, 10}
    assert len(found) == len(DISCS) - 3
    assert all(each.likeness is not None and 0.6 < each.likeness <= 1 for each in found)
    assert proposing.ended().prompts < 20 * len(DISCS)


def test_counter_examples_are_not_proposed_either(propose: Propose) -> None:
    found = all_of(propose.begin(Asked(WHOLE, 5, like=(100, 105, 110), unlike=(101,))))
    assert 1 not in hits(found)
    assert all(each.likeness < 0.5 for each in found)  # what was shown and what was not look the same


def test_tiles_have_the_scale_of_the_exemplars(propose: Propose, reader: ManyDiscs) -> None:
    proposing = propose.begin(Asked(WHOLE, 5, like=(100,)))
    assert {tile.window.side_px0 for tile in proposing.wanted.tiles} == {300}
    assert reader.read_windows[-1].side_px0 == 300


def test_a_model_that_needs_a_box_is_prompted_with_boxes_where_something_stands_out(
    propose: Propose, model: Pointing
) -> None:
    model.judgement = Judgement(needs_box=True)
    proposing = propose.begin(Asked(WHOLE, 5))
    assert hits(all_of(proposing)) == set(range(len(DISCS)))
    assert proposing.ended().prompts < 60 * len(DISCS)
    assert {len(prompts.box) for prompts in model.asked} == {2}


def test_the_tiles_beside_the_exemplars_come_first(propose: Propose) -> None:
    proposing = propose.begin(Asked(WHOLE, 5, like=(110,)))
    x, y = PLACES[10]
    middles = [
        (tile.window.x0 + tile.window.side_px0 / 2, tile.window.y0 + tile.window.side_px0 / 2)
        for tile in proposing.wanted.tiles
    ]
    distances = [math.hypot(middle[0] - x, middle[1] - y) for middle in middles]
    assert distances == sorted(distances)
    assert len(distances) > 6


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (Asked(WHOLE, 99), SlideNotFound),
        (Asked(4), AnnotationNotFound),
        (Asked(7, 6), InvalidPrompt),
        (Asked(9), InvalidPrompt),
        (Asked(shapely.box(2000, 0, 2100, 100), 5), RoiOutsideSlide),
        (Asked(WHOLE, 5, like=(4,)), AnnotationNotFound),
        (Asked(WHOLE, 5, like=(8,)), InvalidPrompt),
        (Asked(WHOLE, 5, like=(9,)), InvalidPrompt),
        (Asked(WHOLE, 5, like=(100,), unlike=(4,)), AnnotationNotFound),
    ],
)
def test_what_cannot_be_done_is_told_before_any_pixel_is_read(
    propose: Propose, reader: ManyDiscs, asked: Asked, error: type[Exception]
) -> None:
    with pytest.raises(error):
        propose.begin(asked)
    assert reader.read_windows == []


@pytest.mark.parametrize("limits", [Limits(area_px0=1000 * 800 - 1), Limits(tiles=3)])
def test_a_region_over_a_limit_is_refused(propose: Propose, reader: ManyDiscs, limits: Limits) -> None:
    with pytest.raises(RegionTooLarge):
        replace(propose, limits=limits).begin(Asked(WHOLE, 5))
    assert reader.read_windows == []


def test_the_limit_of_proposals_ends_it(propose: Propose) -> None:
    proposing = propose.begin(Asked(WHOLE, 5, limit=3))
    assert len(all_of(proposing)) == 3
    assert proposing.ended().stopped == "limit"


def test_as_many_as_there_may_be_is_not_too_many(propose: Propose) -> None:
    proposing = propose.begin(Asked(WHOLE, 5, limit=len(DISCS)))
    assert len(all_of(proposing)) == len(DISCS)
    assert proposing.ended().stopped is None


def test_what_is_trusted_too_little_is_left_out(propose: Propose, model: Pointing) -> None:
    model.judgement = Judgement(calibration=Calibration((("score", 1.0),), ((0.0, 0.6), (1.0, 0.6))))
    assert all_of(propose.begin(Asked(WHOLE, 5, least_confidence=0.61))) == []
    found = all_of(propose.begin(Asked(WHOLE, 5, least_confidence=0.6)))
    assert {each.confidence for each in found} == {0.6}
    assert all(each.doubtful for each in found)


def test_the_deadline_ends_it_with_what_there_is(propose: Propose, model: Pointing) -> None:
    proposing = replace(propose, claim=Claim(deadline=time.monotonic() + 60)).begin(Asked(WHOLE, 5))
    tiles = proposing.tiles()
    assert isinstance(next(tiles), list)
    proposing._claim = replace(proposing._claim, deadline=time.monotonic() - 1)
    assert list(tiles) == []
    ended = proposing.ended()
    assert ended.stopped == "deadline"
    assert (ended.tiles, ended.left) == (1, len(proposing.wanted.tiles) - 1)


def test_whoever_goes_away_stops_it(propose: Propose, model: Pointing) -> None:
    gone = threading.Event()
    proposing = replace(propose, claim=Claim(given_up=gone.is_set)).begin(Asked(WHOLE, 5))
    next(tiles := proposing.tiles())
    gone.set()
    with pytest.raises(CallerGone):
        list(tiles)
    assert proposing.ended().tiles < len(proposing.wanted.tiles)


def test_pixels_that_fail_at_first_are_told_and_later_end_it(propose: Propose, reader: ManyDiscs) -> None:
    reader.error_at = {2: PlatformUnavailable("down")}
    with pytest.raises(PlatformUnavailable):
        propose.begin(Asked(WHOLE, 5))
    reader.read_windows, reader.error_at = [], {5: PlatformUnavailable("down")}
    proposing = propose.begin(Asked(WHOLE, 5))
    tiles = proposing.tiles()
    assert next(tiles)
    with pytest.raises(PlatformUnavailable):
        list(tiles)
    assert not proposing._claim.stands


def test_a_full_line_refuses_the_first_tile_and_the_others_wait(propose: Propose, reader: ManyDiscs) -> None:
    reader.error_at = {2: ModelBusy("full", retry_after_s=1)}
    with pytest.raises(ModelBusy):
        propose.begin(Asked(WHOLE, 5))
    reader.read_windows, reader.error_at = [], {4: ModelBusy("full", retry_after_s=1), 6: CallerGone("a click came")}
    assert hits(all_of(propose.begin(Asked(WHOLE, 5)))) == set(range(len(DISCS)))


def test_a_memory_that_is_full_in_the_middle_ends_it(propose: Propose, model: Pointing) -> None:
    proposing = propose.begin(Asked(WHOLE, 5))

    def full() -> None:
        raise ModelBusy("no", retry_after_s=1)

    model.before_decoding = full
    with pytest.raises(ModelBusy):
        all_of(proposing)


def test_tiles_are_work_ahead_of_a_click(propose: Propose, model: Pointing) -> None:
    all_of(propose.begin(Asked(WHOLE, 5)))
    assert all(claim.ahead for claim in model.claims)


def test_a_tile_is_encoded_once_however_often_it_is_asked_for(
    gateway: FakeGateway, reader: ManyDiscs, model: Pointing
) -> None:
    propose = Propose(gateway, Embeddings(reader, model, 10**8), model)
    all_of(propose.begin(Asked(WHOLE, 5, like=(100,))))
    before = model.encoded
    all_of(propose.begin(Asked(WHOLE, 5, like=(100,))))
    assert model.encoded == before


def test_no_more_tiles_are_held_than_are_looked_at(propose: Propose, model: Pointing) -> None:
    most = 0
    proposing = propose.begin(Asked(WHOLE, 5, like=(100,)))
    for _ in proposing.tiles():
        most = max(most, len(proposing._coming))
    assert most <= 3
    assert len(proposing.wanted.tiles) > 6


def test_a_shape_that_crosses_itself_is_a_region_too() -> None:
    slide = Slide(5, 1000, 800, "slide.tif")
    crossed = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    assert on_slide(crossed, slide).is_valid
    half_outside = shapely.Polygon([(-50, 0), (50, 0), (50, 100), (-50, 100)])
    assert on_slide(half_outside, slide).area == pytest.approx(5000)


@pytest.mark.parametrize("corners", [[(0, 0), (10, 0), (10, 10), (10, 0)], [(-50, 0), (-50, -50), (50, -50), (-50, 0)]])
def test_a_shape_without_an_area_on_the_slide_is_no_region(corners: list[tuple[int, int]]) -> None:
    with pytest.raises(NotRefinable):
        on_slide(shapely.Polygon(corners), Slide(5, 1000, 800, "slide.tif"))
