import threading
from dataclasses import replace

import pytest

from app.errors import ModelBusy, TooManyPoints
from app.geometry.frames import Roi
from app.usecases.find_points import PointsMode, find_points
from app.usecases.ports import PointAnnotation
from tests.fakes.rooms import FakeGateway

ROI = Roi(100, 100, 200, 200)  # slide frame; the slide is 800 high, so platform y 600..700


def found(gateway: FakeGateway, mode: PointsMode = "auto", terms: frozenset[int] = frozenset()) -> list[int]:
    points = find_points(gateway, gateway.slides[5], ROI, user_id=61, term_ids=terms, mode=mode, max_points=20)
    return [point.id for point in points]


def test_points_inside_the_box_by_the_user_count() -> None:
    gateway = FakeGateway()
    gateway.add_point(1, 150, 650)
    gateway.add_point(2, 150, 650, user_id=62)
    gateway.add_point(3, 150, 150)  # inside only if y were not flipped
    assert found(gateway) == [1]


@pytest.mark.parametrize(("x", "y"), [(100, 650), (200, 650), (150, 600), (150, 700), (100, 600)])
def test_points_on_the_border_are_left_alone(x: float, y: float) -> None:
    gateway = FakeGateway()
    gateway.add_point(1, x, y)
    assert found(gateway) == []


def test_points_without_a_place_are_left_alone() -> None:
    gateway = FakeGateway()
    gateway.add_point(1, float("nan"), 650)
    assert found(gateway) == []


def test_results_of_their_own_are_left_alone() -> None:
    gateway = FakeGateway()
    gateway.add_point(1, 150, 650, term_ids=frozenset({9}))
    gateway.add_point(2, 151, 650, is_bare=False)
    gateway.add_point(3, 152, 650)
    gateway.notes = {3}
    gateway.add_point(4, 153, 650, term_ids=frozenset({9, 10}))
    gateway.add_point(5, 154, 650)
    assert found(gateway) == [5]
    assert found(gateway, terms=frozenset({10})) == [4, 5]


def test_points_on_another_plane_are_left_alone() -> None:
    gateway = FakeGateway()
    for identifier, slice_id in ((1, 30), (2, 31), (3, None)):
        gateway.add_point(identifier, 150, 650)
        owner, point = gateway.points[identifier]
        gateway.points[identifier] = (owner, replace(point, slice_id=slice_id))
    points = find_points(
        gateway, gateway.slides[5], ROI, user_id=61, term_ids=frozenset(), slice_id=31, mode="auto", max_points=20
    )
    assert [point.id for point in points] == [2]


def test_more_points_than_the_limit_are_refused_unless_wanted() -> None:
    gateway = FakeGateway()
    for identifier in range(500):
        gateway.add_point(identifier, 150, 650)
    with pytest.raises(TooManyPoints) as caught:
        found(gateway)
    assert caught.value.facts["max_points"] == 20
    assert 21 <= len(gateway.asked_for_notes) <= 24  # some are asked for side by side
    assert found(gateway, "ignore") == []
    assert len(found(gateway, "all")) == 500


def test_points_that_are_no_prompts_do_not_count_towards_the_limit() -> None:
    gateway = FakeGateway()
    for identifier in range(40):
        gateway.add_point(identifier, 150, 650, is_bare=identifier % 2 == 0)
    assert len(found(gateway)) == 20


def test_ignoring_points_asks_for_none() -> None:
    class Deaf(FakeGateway):
        def points_in(self, *_: object) -> list:
            raise AssertionError

    assert found(Deaf(), "ignore") == []


def test_notes_of_several_points_are_asked_for_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=30)

    class Slow(FakeGateway):
        def is_plain(self, point: PointAnnotation) -> bool:
            meeting.wait()  # breaks unless two ask at a time
            return super().is_plain(point)

    gateway = Slow(notes={2})
    for identifier in range(1, 5):
        gateway.add_point(identifier, 150, 650)
    assert found(gateway) == [1, 3, 4]


def test_nothing_is_asked_about_points_whose_refine_is_refused_already() -> None:
    def refused() -> None:
        raise ModelBusy("no place", retry_after_s=1.0)

    gateway = FakeGateway()
    gateway.add_point(1, 150, 650)
    with pytest.raises(ModelBusy):
        find_points(
            gateway, gateway.slides[5], ROI, user_id=61, term_ids=frozenset(), mode="auto", max_points=20, go_on=refused
        )
    assert gateway.asked_for_notes == []


def test_the_time_is_looked_at_between_points() -> None:
    def tired() -> None:
        if len(gateway.asked_for_notes) >= 6:
            raise ModelBusy("too late", retry_after_s=1.0)

    gateway = FakeGateway()
    for identifier in range(500):
        gateway.add_point(identifier, 150, 650)
    with pytest.raises(ModelBusy):
        find_points(
            gateway, gateway.slides[5], ROI, user_id=61, term_ids=frozenset(), mode="all", max_points=20, go_on=tired
        )
    assert len(gateway.asked_for_notes) <= 8
