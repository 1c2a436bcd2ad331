"""One suite for the platform's door, run on the fake in memory and on the real gateway at an embedded Core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from app.errors import AnnotationChanged, AnnotationNotFound, SlideNotFound
from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.geometry.frames import Roi
from app.usecases.ports import SlideGateway
from demo.cytomine.server import EmbeddedCytomine
from tests.fakes.rooms import FakeGateway, annotation
from tests.lab import HEIGHT, settings_for, settle

BOX = "POLYGON ((420 320, 580 320, 580 480, 420 480, 420 320))"
MOVED = "POLYGON ((1 1, 90 1, 90 80, 1 1))"
UNKNOWN = 10**9


@dataclass
class World:
    """A platform with a slide, an annotation of one user, and ways to change it behind the gateway's back."""

    gateway: SlideGateway
    slide: int
    annotation: int
    owner: int
    other: int
    height: int
    add_point: Callable[..., int]
    change: Callable[[int, str], None]
    add_notes: tuple[Callable[[int], object], ...]
    """Ways to hang something on an annotation; each must keep it from being a plain point."""
    properties: Callable[[int], list[tuple[str, str]]]
    """Keys and texts that hang on an annotation."""


def fake_world() -> World:
    gateway = FakeGateway(annotations={7: annotation(7, BOX)})
    numbers = iter(range(100, 200))

    def add_point(x: float, y: float, user: int) -> int:
        number = next(numbers)
        gateway.add_point(number, x, y, user_id=user)
        return number

    def change(number: int, location: str) -> None:
        gateway.annotations[number] = annotation(number, location, updated="2")

    def properties(number: int) -> list[tuple[str, str]]:
        return [(key, text) for (of, key), text in gateway.properties.items() if of == number]

    return World(gateway, 5, 7, 61, 62, 800, add_point, change, (gateway.notes.add,), properties)


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield fake_world()
        return
    cytomine: EmbeddedCytomine = request.getfixturevalue("cytomine")
    lab = settle(cytomine, request.node.nodeid, "no service")
    http = CoreHttp(settings_for(cytomine).platform)
    store = cytomine.store

    def add_point(x: float, y: float, user: int) -> int:
        return store.add_annotation(lab.image, user, f"POINT ({x} {y})")

    def properties(number: int) -> list[tuple[str, str]]:
        with store.transaction() as db:
            rows = db.execute("SELECT key, value FROM properties WHERE annotation = ?", (number,)).fetchall()
        return [(row["key"], row["value"]) for row in rows]

    yield World(
        CoreGateway(http),
        lab.image,
        lab.draw(BOX),
        lab.alice.id,
        lab.bob.id,
        HEIGHT,
        add_point,
        store.set_location,
        (
            lambda number: store.add_property(number, "grade", "2"),
            lambda number: store.add_description(number, "a mitosis"),
            lambda number: store.add_tag(number, "seen"),
            lambda number: store.add_attached_file(number, "a mitosis.png"),
            lambda number: store.add_link([number, store.add_annotation(lab.image, lab.alice.id, "POINT (1 1)")]),
        ),
        properties,
    )
    http.close()


def test_a_service_account_asks_for_somebody_unknown(world: World) -> None:
    assert world.gateway.caller() is None


def test_reads_an_annotation(world: World) -> None:
    found = world.gateway.annotation(world.annotation)
    assert (found.id, found.location, found.slide_id, found.user_id) == (
        world.annotation,
        BOX,
        world.slide,
        world.owner,
    )
    assert found.term_ids == frozenset()
    assert world.gateway.annotation(world.annotation) == found


def test_tells_a_change(world: World) -> None:
    before = world.gateway.annotation(world.annotation)
    world.change(world.annotation, MOVED)
    after = world.gateway.annotation(world.annotation)
    assert after.location == MOVED
    assert after.updated != before.updated


def test_unknown_things(world: World) -> None:
    with pytest.raises(AnnotationNotFound):
        world.gateway.annotation(UNKNOWN)
    with pytest.raises(SlideNotFound):
        world.gateway.slide(UNKNOWN)
    with pytest.raises(AnnotationNotFound):
        world.gateway.delete(UNKNOWN)


def test_lists_points_of_the_user_in_the_box_oldest_first(world: World) -> None:
    slide = world.gateway.slide(world.slide)
    assert slide.height == world.height
    inside = [world.add_point(500, 400, world.owner), world.add_point(430, 330, world.owner)]
    world.add_point(500, 401, world.other)
    world.add_point(600, 400, world.owner)
    roi = Roi(420, world.height - 480, 580, world.height - 320)
    found = world.gateway.points_in(slide, world.owner, roi)
    assert [point.id for point in found] == inside
    assert (found[0].x, found[0].y) == (500, 400)


def test_notes_on_a_point(world: World) -> None:
    slide = world.gateway.slide(world.slide)
    roi = Roi(420, world.height - 480, 580, world.height - 320)
    for add_note in world.add_notes:
        number = world.add_point(500, 400, world.owner)
        (point,) = (each for each in world.gateway.points_in(slide, world.owner, roi) if each.id == number)
        assert world.gateway.is_plain(point)
        assert world.gateway.is_as_read(slide, point)
        add_note(number)
        assert not world.gateway.is_plain(point)
        assert not world.gateway.is_as_read(slide, point)


def test_a_point_that_moved_or_went_is_not_as_read(world: World) -> None:
    slide = world.gateway.slide(world.slide)
    world.add_point(500, 400, world.owner)
    roi = Roi(420, world.height - 480, 580, world.height - 320)
    (point,) = world.gateway.points_in(slide, world.owner, roi)
    assert world.gateway.is_as_read(slide, point)
    assert not world.gateway.is_as_read(slide, replace(point, x=point.x + 0.5))
    assert not world.gateway.is_as_read(slide, replace(point, updated="another time"))
    world.gateway.delete(point.id)
    assert not world.gateway.is_as_read(slide, point)


def test_stores_and_deletes(world: World) -> None:
    found = world.gateway.annotation(world.annotation)
    assert world.gateway.store_location(found, MOVED).location == MOVED
    assert world.gateway.annotation(world.annotation).location == MOVED
    point = world.add_point(500, 400, world.owner)
    world.gateway.delete(point)
    with pytest.raises(AnnotationNotFound):
        world.gateway.delete(point)


def test_hangs_a_text_under_a_key_and_replaces_it(world: World) -> None:
    before = world.gateway.annotation(world.annotation)
    first = world.gateway.put_property(world.annotation, "made-by", "one")
    assert world.properties(world.annotation) == [("made-by", "one")]
    second = world.gateway.put_property(world.annotation, "made-by", '"two", ü')
    assert world.properties(world.annotation) == [("made-by", '"two", ü')]
    assert isinstance(first, int)
    assert isinstance(second, int)
    now = world.gateway.annotation(world.annotation)
    assert (now.location, now.updated) == (before.location, before.updated)
    with pytest.raises(AnnotationNotFound):
        world.gateway.put_property(UNKNOWN, "made-by", "one")


def test_storing_what_is_gone(world: World) -> None:
    found = world.gateway.annotation(world.annotation)
    world.gateway.delete(world.annotation)
    with pytest.raises(AnnotationChanged):
        world.gateway.store_location(found, MOVED)
