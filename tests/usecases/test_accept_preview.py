"""What was shown is what is written, or nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.errors import (
    AnnotationChanged,
    CallerGone,
    PlatformForbidden,
    PlatformTimeout,
    PreviewUnfit,
    ServiceError,
)
from app.geometry.prompts import PointLabel
from app.usecases.accept_preview import AcceptPreview
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, ModelInfo
from app.usecases.preview import Preview
from app.usecases.prompt_session import Click
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation
from tests.usecases.conftest import BOX

DRY = RefineOptions(dry_run=True)


@pytest.fixture
def model(segmenter: DarkSegmenter) -> ModelInfo:
    return segmenter.info


@pytest.fixture
def preview(refine: RefineAnnotation) -> Preview:
    found = refine(7, DRY).preview
    assert found is not None
    return found


def test_exactly_what_was_shown_is_written_and_then_the_points_go(
    gateway: FakeGateway, model: ModelInfo, refine: RefineAnnotation
) -> None:
    shown = refine(7, DRY)
    assert shown.preview is not None
    result = AcceptPreview(gateway, model)(7, shown.preview)
    assert (result.outcome, result.location) == ("changed", shown.location)
    assert gateway.annotations[7].location == shown.location
    assert gateway.writes == ["store 7", "delete 11", "delete 12"]
    assert result.commands == (88, 1011, 1012)
    assert (result.points_used, result.points_deleted) == ((11, 12), (11, 12))
    assert (result.account, result.previous_location) == (shown.account, BOX)
    assert (result.preview, result.proposals) == (None, ())


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True)])
def test_points_stay_if_either_request_says_so(
    gateway: FakeGateway, model: ModelInfo, refine: RefineAnnotation, then: bool, now: bool
) -> None:
    preview = refine(7, RefineOptions(dry_run=True, keep_points=then)).preview
    assert preview is not None
    result = AcceptPreview(gateway, model)(7, preview, keep_points=now)
    assert (result.points_used, result.points_deleted) == ((11, 12), ())
    assert gateway.writes == ["store 7"]


def test_a_preview_without_points_asks_for_no_slide(gateway: FakeGateway, model: ModelInfo, preview: Preview) -> None:
    gateway.slides.clear()
    AcceptPreview(gateway, model)(7, replace(preview, points=()))
    assert gateway.writes == ["store 7"]


def test_a_point_that_changed_since_is_kept(gateway: FakeGateway, model: ModelInfo, preview: Preview) -> None:
    owner, point = gateway.points[12]
    gateway.points[12] = (owner, replace(point, x=520.0))
    result = AcceptPreview(gateway, model)(7, preview)
    assert (result.points_deleted, result.points_not_deleted) == ((11,), (12,))


UNFIT: dict[str, Callable[[Preview], Preview]] = {
    "other-annotation": lambda preview: replace(preview, annotation_id=8),
    "other-user": lambda preview: replace(preview, caller=99),
    "other-model": lambda preview: replace(preview, model_sha256="f" * 64),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_a_preview_of_something_else_is_refused(
    gateway: FakeGateway, model: ModelInfo, preview: Preview, reason: str
) -> None:
    with pytest.raises(PreviewUnfit) as caught:
        AcceptPreview(gateway, model)(7, UNFIT[reason](preview))
    assert caught.value.facts["reason"] == reason
    assert gateway.writes == []


@pytest.mark.parametrize(
    "now", [annotation(7, "POLYGON ((0 0, 1 0, 1 1, 0 0))"), annotation(7, BOX, updated="99"), None], ids=repr
)
def test_what_somebody_changed_since_stays(
    gateway: FakeGateway, model: ModelInfo, preview: Preview, now: object
) -> None:
    gateway.annotations = {7: now} if now else {}  # type: ignore[dict-item]
    with pytest.raises(AnnotationChanged):
        AcceptPreview(gateway, model)(7, preview)
    assert gateway.writes == []
    assert len(gateway.points) == 2


def test_an_edit_between_the_look_and_the_write_wins(gateway: FakeGateway, model: ModelInfo, preview: Preview) -> None:
    gateway.reads, edited = 0, annotation(7, BOX, updated="99")
    gateway.before_reread = lambda: gateway.annotations.update({7: edited})
    with pytest.raises(AnnotationChanged):
        AcceptPreview(gateway, model)(7, preview)
    assert (gateway.annotations[7], gateway.writes) == (edited, [])


def test_the_second_time_it_is_refused_and_says_why(gateway: FakeGateway, model: ModelInfo, preview: Preview) -> None:
    accept = AcceptPreview(gateway, model)
    accept(7, preview)
    written = list(gateway.writes)
    with pytest.raises(PreviewUnfit) as caught:
        accept(7, preview)
    assert caught.value.facts["reason"] == "accepted-already"
    assert gateway.writes == written


@pytest.mark.parametrize(("error", "when"), [(PlatformForbidden("no"), "before"), (PlatformTimeout("slow"), "after")])
def test_a_failed_write_deletes_no_point(
    gateway: FakeGateway, model: ModelInfo, preview: Preview, error: ServiceError, when: str
) -> None:
    gateway.fail_on = {1: (error, when)}
    with pytest.raises(type(error)):
        AcceptPreview(gateway, model)(7, preview)
    assert gateway.annotations[7].location == (BOX if when == "before" else preview.recipe.location)
    assert len(gateway.points) == 2


def test_nothing_is_written_for_whoever_left(gateway: FakeGateway, model: ModelInfo, preview: Preview) -> None:
    with pytest.raises(CallerGone):
        AcceptPreview(gateway, model, Claim(given_up=lambda: True))(7, preview)
    assert gateway.writes == []


def test_a_preview_shows_all_proposals_and_what_it_was_made_from(
    gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    gateway.caller_id = 61
    refine = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), 20)
    clicks = (Click(500, 400, PointLabel.FOREGROUND), Click(430, 330, PointLabel.BACKGROUND))
    shown = refine(7, RefineOptions(dry_run=True, box=(430, 330, 570, 470), clicks=clicks, points="ignore"))
    assert shown.preview is not None
    recipe = shown.preview.recipe
    assert (recipe.first_box, recipe.clicks, recipe.points) == ((430, 330, 570, 470), clicks, ())
    assert (shown.preview.caller, recipe.location) == (61, shown.location)
    assert [each.index for each in shown.proposals] == [0, 1, 2]
    assert shown.proposals[1].shape is not None
    (prompts,) = segmenter.prompts
    assert [int(label) for label in prompts.labels] == [1, 0]


@pytest.mark.parametrize("choice", [0, 1, 2, "best", "single", None])
def test_any_proposal_can_be_taken(refine: RefineAnnotation, choice: object) -> None:
    shown = refine(7, RefineOptions(dry_run=True, proposal=choice))  # type: ignore[arg-type]
    if isinstance(choice, int):
        assert shown.account.proposal == choice
        if shown.outcome == "dry run":
            assert shown.proposals[choice].score == shown.account.score
    else:
        assert shown.outcome == "dry run"


def test_nothing_found_shows_no_preview(gateway: FakeGateway, segmenter: DarkSegmenter) -> None:
    refine = RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(radius=0), segmenter), segmenter), 20)
    shown = refine(7, DRY)
    assert (shown.outcome, shown.preview, shown.recipe, shown.proposals) == ("nothing found", None, None, ())
