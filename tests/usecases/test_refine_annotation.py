import threading

import pytest
import shapely

from app.errors import (
    AnnotationChanged,
    AnnotationNotFound,
    CallerGone,
    DeviceOutOfMemory,
    InvalidPrompt,
    ModelBusy,
    ModelError,
    PlatformForbidden,
    PlatformTimeout,
    PlatformUnavailable,
    ServiceError,
    SlideNotFound,
)
from app.geometry.polygons import iou
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Slide
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation
from tests.usecases.conftest import BOX

DISC = shapely.Point(500, 400).buffer(60, quad_segs=64)
PLAIN = RefineOptions()


def test_the_box_becomes_the_object(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    result = refine(7, PLAIN)
    assert result.outcome == "changed"
    assert result.location == gateway.annotations[7].location
    assert result.previous_location == BOX
    assert iou(shapely.from_wkt(result.location), DISC) > 0.95
    assert result.account.score == pytest.approx(0.9)
    assert result.command == 88
    assert result.commands == (88, 1011, 1012)
    assert (result.points_used, result.points_deleted, result.points_not_deleted) == ((11, 12), (11, 12), ())
    assert gateway.points == {}
    assert gateway.writes == ["store 7", "delete 11", "delete 12"]
    assert result.timings_ms.keys() == {
        "validity", "box", "points", "window", "encode", "decode", "postprocess", "update", "total"
    }  # fmt: skip
    assert result.account.window.side_px0 == 320


def test_y_is_flipped_on_the_way_in_and_out(gateway: FakeGateway, segmenter: DarkSegmenter) -> None:
    # the disc lies near the top of the slide: small y down, large y up
    gateway.annotations[7] = annotation(7, "POLYGON ((440 650, 560 650, 560 760, 440 760, 440 650))")
    gateway.points.clear()
    gateway.add_point(13, 490, 720)
    refine = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(500, 100, 30), segmenter), segmenter), 20)
    found = shapely.from_wkt(refine(7, PLAIN).location)
    assert found.centroid.distance(shapely.Point(500, 700)) < 2
    (prompts,) = segmenter.prompts
    # the box is 120 wide: a window of 240 around (500, 105), moved down to the slide's upper border
    assert prompts.points.tolist() == [[490 - 380, 800 - 720]]


def test_the_callers_points_count_where_the_caller_is_known(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    gateway.add_point(12, 505, 405, user_id=62)
    gateway.caller_id = 62
    found = refine(7, RefineOptions())
    assert found.caller == 62
    assert found.points_used == found.points_deleted == (12,)


def test_points_are_kept_when_asked(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    result = refine(7, RefineOptions(keep_points=True))
    assert (result.points_used, result.points_deleted) == ((11, 12), ())
    assert len(gateway.points) == 2


@pytest.mark.parametrize(
    ("claim", "error"), [(Claim(deadline=0.0), ModelBusy), (Claim(given_up=lambda: True), CallerGone)]
)
def test_when_nobody_waits_any_more_nothing_is_written(
    gateway: FakeGateway, segmenter: DarkSegmenter, claim: Claim, error: type[ModelError]
) -> None:
    embeddings = Embeddings(DiscReader(), segmenter, 10**6)
    RefineAnnotation(gateway, SegmentRoi(embeddings, segmenter), 20)(7, RefineOptions(dry_run=True))
    late = RefineAnnotation(gateway, SegmentRoi(embeddings, segmenter), 20, claim)
    with pytest.raises(error, match="nothing was written"):
        late(7, PLAIN)
    assert gateway.writes == []
    assert len(gateway.points) == 2


@pytest.mark.parametrize("error", [ModelBusy, CallerGone])
def test_whoever_leaves_during_the_second_read_is_not_written_for(
    gateway: FakeGateway, segmenter: DarkSegmenter, error: type[ModelError]
) -> None:
    ended = threading.Event()

    class Ending(Claim):
        """Stands until the event is set."""

        def check(self) -> None:
            if ended.is_set():
                raise error("nothing was written")

    gateway.before_reread = ended.set
    late = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), 20, Ending())
    with pytest.raises(error):
        late(7, PLAIN)
    assert gateway.writes == []


def test_a_dry_run_writes_nothing(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    result = refine(7, RefineOptions(dry_run=True))
    assert result.outcome == "dry run"
    assert result.command is None
    assert iou(shapely.from_wkt(result.location), DISC) > 0.95
    assert gateway.writes == []


def test_nothing_found_leaves_everything(gateway: FakeGateway, segmenter: DarkSegmenter) -> None:
    refine = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(radius=0), segmenter), segmenter), 20)
    result = refine(7, PLAIN)
    assert result.outcome == "nothing found"
    assert result.location == BOX
    assert gateway.writes == []


def test_what_lies_outside_the_slide_only_is_nothing_found(gateway: FakeGateway, segmenter: DarkSegmenter) -> None:
    # the slide is narrower than the window, and the object lies in the padding
    gateway.slides[5] = Slide(5, 1000, 100, "slide.tif")
    gateway.annotations[7] = annotation(7, "POLYGON ((100 0, 600 0, 600 100, 100 100, 100 0))")
    gateway.points.clear()
    refine = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(500, 300, 60), segmenter), segmenter), 20)
    assert refine(7, PLAIN).outcome == "nothing found"


@pytest.mark.parametrize(
    "error", [PlatformForbidden("no"), PlatformTimeout("slow"), PlatformUnavailable("500"), AnnotationChanged("gone")]
)
def test_a_failed_write_deletes_no_point(refine: RefineAnnotation, gateway: FakeGateway, error: ServiceError) -> None:
    gateway.fail_on = {1: (error, "before")}
    with pytest.raises(type(error)):
        refine(7, PLAIN)
    assert gateway.annotations[7].location == BOX
    assert len(gateway.points) == 2


def test_a_write_whose_answer_is_lost_deletes_no_point(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    gateway.fail_on = {1: (PlatformTimeout("slow"), "after")}
    with pytest.raises(PlatformTimeout):
        refine(7, PLAIN)
    assert gateway.annotations[7].location != BOX
    assert len(gateway.points) == 2


@pytest.mark.parametrize("which", [2, 3])
def test_a_failed_deletion_is_told_and_not_raised(refine: RefineAnnotation, gateway: FakeGateway, which: int) -> None:
    gateway.fail_on = {which: (PlatformForbidden("no"), "before")}
    result = refine(7, PLAIN)
    assert result.outcome == "changed"
    stays = 11 if which == 2 else 12
    assert result.points_not_deleted == (stays,)
    assert result.points_deleted == (23 - stays,)
    assert result.commands == (88, 1000 + 23 - stays)
    assert list(gateway.points) == [stays]


@pytest.mark.parametrize(
    "now",
    [
        annotation(7, "POLYGON ((0 0, 1 0, 1 1, 0 0))"),
        annotation(7, BOX, updated="99"),
    ],
)
def test_an_edit_meanwhile_wins(refine: RefineAnnotation, gateway: FakeGateway, now) -> None:
    gateway.before_reread = lambda: gateway.annotations.update({7: now})
    with pytest.raises(AnnotationChanged):
        refine(7, PLAIN)
    assert gateway.annotations[7] == now
    assert gateway.writes == []
    assert len(gateway.points) == 2


def test_a_deletion_meanwhile_wins(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    gateway.before_reread = lambda: gateway.annotations.clear()
    with pytest.raises(AnnotationChanged):
        refine(7, PLAIN)
    assert gateway.writes == []


@pytest.mark.parametrize(
    ("location", "error"),
    [("POINT (1 1)", InvalidPrompt), ("POLYGON EMPTY", InvalidPrompt), ("rubbish", InvalidPrompt)],
)
def test_what_cannot_be_refined_is_refused_before_any_work(
    refine: RefineAnnotation, gateway: FakeGateway, segmenter: DarkSegmenter, location: str, error: type[ServiceError]
) -> None:
    gateway.annotations[7] = annotation(7, location)
    with pytest.raises(error):
        refine(7, PLAIN)
    assert gateway.writes == []
    assert segmenter.prompts == []


def test_unknown_ids_are_told(refine: RefineAnnotation, gateway: FakeGateway) -> None:
    with pytest.raises(AnnotationNotFound):
        refine(8, PLAIN)
    gateway.slides.clear()
    with pytest.raises(SlideNotFound):
        refine(7, PLAIN)


def test_a_model_that_fails_touches_nothing(
    refine: RefineAnnotation, gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    segmenter.error = DeviceOutOfMemory("full")
    with pytest.raises(DeviceOutOfMemory):
        refine(7, PLAIN)
    assert gateway.writes == []
