"""What is written and deleted when others meddle, the platform answers oddly, or the time is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.errors import (
    AnnotationNotFound,
    InvalidPrompt,
    PlatformError,
    PlatformForbidden,
    PlatformTimeout,
    PlatformUnauthorized,
    PlatformUnavailable,
    ServiceError,
)
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Annotation, Claim, PointAnnotation, Stored
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation
from tests.usecases.conftest import BOX

PLAIN = RefineOptions()
ELSEWHERE = "POLYGON ((0 0, 1 0, 1 1, 0 0))"


def refine_with(gateway: FakeGateway, claim: Claim | None = None) -> RefineAnnotation:
    segmenter = DarkSegmenter()
    return RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), 20, claim or Claim())


def changed(gateway: FakeGateway, number: int, **changes: object) -> None:
    owner, point = gateway.points[number]
    gateway.points[number] = (owner, replace(point, **changes))


MEDDLING: dict[str, Callable[[FakeGateway], object]] = {
    "moved": lambda gateway: changed(gateway, 12, x=520.0),
    "moved away": lambda gateway: changed(gateway, 12, x=20.0),
    "given a term": lambda gateway: changed(gateway, 12, term_ids=frozenset({9})),
    "commented": lambda gateway: changed(gateway, 12, is_bare=False),
    "edited": lambda gateway: changed(gateway, 12, updated="later"),
    "given away": lambda gateway: gateway.points.update({12: (62, gateway.points[12][1])}),
    "given a property": lambda gateway: gateway.notes.add(12),
    "deleted": lambda gateway: gateway.points.pop(12),
}


@pytest.mark.parametrize("when", ["before the write", "after the write", "while the one before it is deleted"])
@pytest.mark.parametrize("meddle", MEDDLING.values(), ids=MEDDLING)
def test_a_point_that_changed_meanwhile_is_kept_and_told(
    gateway: FakeGateway, meddle: Callable[[FakeGateway], object], when: str
) -> None:
    class Busy(FakeGateway):
        """Somebody else is at work at that very moment."""

        def store_location(self, annotation: Annotation, location: str) -> Stored:
            stored = super().store_location(annotation, location)
            if when == "after the write":
                meddle(self)
            return stored

        def delete(self, annotation_id: int) -> int | None:
            if when.startswith("while"):
                meddle(self)
            return super().delete(annotation_id)

    busy = Busy(annotations=gateway.annotations, points=gateway.points)
    if when == "before the write":
        busy.before_reread = lambda: meddle(busy)
    result = refine_with(busy)(7, PLAIN)
    assert result.outcome == "changed"
    assert (result.points_used, result.points_deleted, result.points_not_deleted) == ((11, 12), (11,), (12,))
    assert busy.writes == ["store 7", "delete 11"]
    assert result.commands == (88, 1011)


def test_a_platform_that_cannot_say_whether_a_point_changed_keeps_it(gateway: FakeGateway) -> None:
    class Failing(FakeGateway):
        def is_plain(self, point: PointAnnotation) -> bool:
            if self.writes:
                raise PlatformTimeout("slow")
            return super().is_plain(point)

    failing = Failing(annotations=gateway.annotations, points=gateway.points)
    result = refine_with(failing)(7, PLAIN)
    assert (result.points_deleted, result.points_not_deleted) == ((), (11, 12))


@pytest.mark.parametrize("ends", ["deadline", "given up"])
def test_no_point_is_deleted_once_the_time_is_up(gateway: FakeGateway, ends: str) -> None:
    class Ending(Claim):
        """Ends with the first deletion."""

        @property
        def stands(self) -> bool:
            return "delete 11" not in gateway.writes

        def check(self) -> None:
            """It stands up to the write."""

    result = refine_with(gateway, Ending())(7, PLAIN)
    assert (result.points_deleted, result.points_not_deleted) == ((11,), (12,))
    assert list(gateway.points) == [12]


def test_a_claim_stands_until_its_end() -> None:
    assert Claim().stands
    assert not Claim(deadline=0.0).stands
    assert not Claim(given_up=lambda: True).stands


class Odd(FakeGateway):
    """Answers a write with something else than what it stored."""

    answer = ""
    stores = True
    then: ServiceError | None = None

    def store_location(self, annotation: Annotation, location: str) -> Stored:
        if self.stores:
            super().store_location(annotation, location)
        return Stored(self.answer, 88)

    def annotation(self, annotation_id: int) -> Annotation:
        if self.writes and self.then:
            raise self.then
        return super().annotation(annotation_id)


@pytest.fixture
def odd(gateway: FakeGateway) -> Odd:
    return Odd(annotations=gateway.annotations, points=gateway.points)


@pytest.mark.parametrize("answer", ["", "rubbish", BOX, "POLYGON EMPTY"])
def test_where_the_answer_to_the_write_is_odd_what_is_stored_counts(odd: Odd, answer: str) -> None:
    odd.answer = answer
    result = refine_with(odd)(7, PLAIN)
    assert result.outcome == "changed"
    assert result.location == odd.annotations[7].location != BOX
    assert result.points_deleted == (11, 12)


def test_a_write_that_was_accepted_and_not_done_is_told_and_takes_no_point(odd: Odd) -> None:
    odd.answer, odd.stores = BOX, False
    with pytest.raises(PlatformUnavailable, match="kept the old one") as caught:
        refine_with(odd)(7, PLAIN)
    assert "written" not in caught.value.facts
    assert odd.writes == []
    assert len(odd.points) == 2


@pytest.mark.parametrize("then", [PlatformTimeout("slow"), InvalidPrompt("no location"), AnnotationNotFound("none")])
def test_a_write_of_which_nothing_can_be_learnt_says_that(odd: Odd, then: ServiceError) -> None:
    odd.answer, odd.then = "rubbish", then
    with pytest.raises(PlatformUnavailable) as caught:
        refine_with(odd)(7, PLAIN)
    assert caught.value.facts["written"] is None
    assert len(odd.points) == 2


def test_the_same_outline_again_is_a_write_like_any_other(gateway: FakeGateway) -> None:
    gateway.annotations[7] = annotation(7, refine_with(gateway)(7, PLAIN).location)
    again = refine_with(gateway)(7, PLAIN)
    gateway.annotations[7] = annotation(7, again.location)
    assert refine_with(gateway)(7, PLAIN).outcome == "changed"


@pytest.mark.parametrize(
    ("error", "when", "written"),
    [
        (PlatformTimeout("slow"), "after", True),
        (PlatformTimeout("slow"), "before", None),
        (PlatformUnavailable("dropped"), "after", True),
        (PlatformUnavailable("a page", core_status=200), "after", True),
        (PlatformUnavailable("a proxy", core_status=504), "before", None),
        (PlatformUnavailable("crash", core_status=500), "before", "absent"),
        (PlatformUnavailable("refused", core_status=400), "before", "absent"),
        (PlatformForbidden("no", core_status=403), "before", "absent"),
        (PlatformForbidden("no", core_status=403), "after", True),
        (PlatformUnauthorized("who?", core_status=401), "after", True),
        (PlatformUnavailable("crash", core_status=500), "after", True),
        (PlatformUnavailable("refused", core_status=400), "after", True),
    ],
    ids=str,
)
def test_an_error_after_the_write_says_whether_the_outline_was_changed(
    gateway: FakeGateway, error: PlatformError, when: str, written: bool | str | None
) -> None:
    error.facts.pop("written", None)
    gateway.fail_on = {1: (error, when)}
    with pytest.raises(type(error)) as caught:
        refine_with(gateway)(7, PLAIN)
    assert caught.value.facts.get("written", "absent") == written
    assert (gateway.annotations[7].location != BOX) == (when == "after")
    assert len(gateway.points) == 2


def test_a_lost_write_that_cannot_be_looked_at_says_that_nobody_knows(odd: Odd) -> None:
    odd.fail_on = {1: (PlatformTimeout("slow"), "after")}
    odd.then = PlatformUnavailable("down")
    with pytest.raises(PlatformTimeout) as caught:
        refine_with(odd)(7, PLAIN)
    assert caught.value.facts["written"] is None
    assert len(odd.points) == 2


def test_a_refused_write_that_cannot_be_looked_at_is_believed(odd: Odd) -> None:
    odd.fail_on = {1: (PlatformForbidden("no", core_status=403), "before")}
    odd.then = PlatformUnavailable("down")
    with pytest.raises(PlatformForbidden) as caught:
        refine_with(odd)(7, PLAIN)
    assert "written" not in caught.value.facts


def test_a_deletion_without_a_handle_is_still_told(gateway: FakeGateway) -> None:
    class Silent(FakeGateway):
        """Deletes, and names no command."""

        def delete(self, annotation_id: int) -> int | None:
            super().delete(annotation_id)
            return None

    result = refine_with(Silent(annotations=gateway.annotations, points=gateway.points))(7, PLAIN)
    assert (result.points_deleted, result.commands) == ((11, 12), (88,))
