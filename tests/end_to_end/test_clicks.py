"""Box, click, look, accept: over real HTTP, as a user with a token, and what each click asks Core for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
import shapely

from app.settings import RefineSettings
from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import BOX, DISC, DISC_RADIUS, DISC_X, DISC_Y, HEADERS, Lab, draw_image, serving, settings_for, settle

JWT_SECRET = "a secret that signs the tokens of these clicks, sixty-four bytes l"
FIRST = list(BOX.bounds)
ON = {"x": DISC_X, "y": DISC_Y, "label": 1}
OFF = {"x": DISC_X + DISC_RADIUS + 12, "y": DISC_Y + DISC_RADIUS + 9, "label": 0}


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine"), jwt_secret=JWT_SECRET) as embedded:
        draw_image(embedded.slides / "discs.png")
        yield embedded


@pytest.fixture(scope="module")
def background(cytomine: EmbeddedCytomine) -> int:
    """A term that the operator has chosen for points on the background."""
    return cytomine.store.add_term(cytomine.store.add_project("where the term was made"), "not this")


@pytest.fixture(scope="module")
def service_url(cytomine: EmbeddedCytomine, background: int) -> Iterator[str]:
    settings = settings_for(cytomine).model_copy(update={"refine": RefineSettings(background_term=background)})
    with serving(settings) as url:
        yield url


@dataclass(frozen=True)
class Person:
    """Somebody who clicks."""

    lab: Lab
    user: User
    token: str

    def ask(self, number: int, **options: object) -> httpx.Response:
        url = f"{self.lab.service_url}/sam/annotations/{number}/refine"
        return httpx.post(
            url, json=options, headers={"authorization": f"Bearer {self.token}"}, timeout=60, trust_env=False
        )

    def click(self, number: int, *clicks: dict[str, float], **options: object) -> dict[str, object]:
        answer = self.ask(number, box=FIRST, clicks=clicks, points="ignore", dry_run=True, **options)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, service_url: str, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, service_url)
    cytomine.faults.clear()


def signed_in(lab: Lab, user: User) -> Person:
    return Person(lab, user, Identity("full", JWT_SECRET).token(user.username, "ROLE_USER", "SESSION", 600))


@pytest.fixture
def alice(lab: Lab) -> Person:
    return signed_in(lab, lab.alice)


@pytest.fixture
def bob(lab: Lab) -> Person:
    return signed_in(lab, lab.bob)


def asked(lab: Lab) -> list[tuple[str, str]]:
    """List all that Core and PIMS were asked for."""
    return [(seen.method, seen.path) for seen in lab.cytomine.faults.requests]


def test_a_click_asks_core_for_the_annotation_and_for_nothing_else(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    lab.cytomine.faults.clear()
    alice.click(number, ON)
    first = asked(lab)
    assert ("GET", f"/api/imageinstance/{lab.image}.json") in first
    assert any(path.startswith("/ims/") for _, path in first)
    for clicks in ([ON, OFF], [ON, OFF, {**ON, "x": DISC_X + 20}], [OFF]):
        lab.cytomine.faults.clear()
        alice.click(number, *clicks)
        assert asked(lab) == [("GET", f"/api/annotation/{number}.json")]


def test_rights_are_looked_at_with_every_click(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    shown = alice.click(number, ON)
    with lab.cytomine.store.transaction() as db:
        db.execute("DELETE FROM members WHERE project = ? AND user = ?", (lab.project, lab.alice.id))
    assert alice.ask(number, box=FIRST, clicks=[ON], points="ignore", dry_run=True).status_code == 403
    assert alice.ask(number, preview=shown["preview"]).status_code == 403
    assert lab.location(number) == BOX.wkt


def test_what_was_shown_is_written_with_the_callers_rights_and_taken_back_in_one(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    loose = alice.click(number)
    shown = alice.click(number, ON, OFF)
    assert lab.location(number) == BOX.wkt
    assert shown["location"] != loose["location"]
    answer = alice.ask(number, preview=shown["preview"])
    assert answer.status_code == 200, answer.text
    assert lab.location(number) == shown["location"] == answer.json()["location"]
    assert lab.iou(number) > 0.85
    (command,) = answer.json()["commands"]
    undone = httpx.get(
        f"{lab.cytomine.base_url}/api/command/{command}/undo.json",
        headers={"authorization": f"Bearer {alice.token}"},
        trust_env=False,
    )
    assert undone.status_code == 200
    assert lab.location(number) == BOX.wkt


def test_a_preview_is_of_whoever_has_seen_it(lab: Lab, alice: Person, bob: Person) -> None:
    number = lab.draw(BOX)
    shown = alice.click(number, ON)
    answer = bob.ask(number, preview=shown["preview"])
    assert (answer.status_code, answer.json()["reason"]) == (409, "other-user")
    assert lab.location(number) == BOX.wkt


def test_a_preview_of_an_annotation_that_was_edited_since_is_refused(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    shown, moved = alice.click(number, ON), shapely.affinity.translate(BOX, 3, 0)
    with lab.cytomine.store.transaction() as db:
        db.execute("UPDATE annotations SET location = ? WHERE id = ?", (moved.wkt, number))
    answer = alice.ask(number, preview=shown["preview"])
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:cytomine-refine:annotation-changed")
    assert lab.location(number) == moved.wkt


def test_accepted_twice_at_once_it_is_written_once(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    shown = alice.click(number, ON)
    lab.cytomine.faults.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: alice.ask(number, preview=shown["preview"]), range(4)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["command"] for answer in answers if answer.status_code == 200}) == 1
    assert lab.requests("PUT") == [f"/api/annotation/{number}.json"]
    assert lab.location(number) == shown["location"]


def test_points_that_were_shown_go_when_it_is_accepted(lab: Lab, alice: Person) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    shown = alice.ask(number, dry_run=True).json()
    assert shown["points_used"] == [point]
    assert lab.location(point) is not None
    result = alice.ask(number, preview=shown["preview"]).json()
    assert (result["points_used"], result["points_deleted"]) == ([point], [point])
    assert lab.location(point) is None
    assert len(result["commands"]) == 2


def test_a_click_outside_of_the_box_makes_it_grow(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    x_min, y_min, x_max, y_max = FIRST
    shown = alice.click(number, ON, {"x": x_max + 12, "y": DISC_Y, "label": 1})
    assert shown["box"] == [x_min, y_min, x_max + 12, y_max]
    assert alice.click(number, ON)["box"] == FIRST


@pytest.mark.parametrize(("beyond", "label"), [(6, 1), (-6, 0)], ids=["adds", "takes away"])
def test_the_outline_lies_on_the_side_of_every_click(lab: Lab, alice: Person, beyond: float, label: int) -> None:
    number = lab.draw(BOX)
    before = shapely.from_wkt(alice.click(number, ON)["location"])
    clicks = [{"x": DISC_X, "y": DISC_Y + sign * (DISC_RADIUS + beyond), "label": label} for sign in (1, -1)]
    after = shapely.from_wkt(alice.click(number, ON, *clicks)["location"])
    for click in clicks:
        place = shapely.Point(click["x"], click["y"])
        assert before.covers(place) == (label == 0)
        assert after.covers(place) == (label == 1)
    assert after.covers(shapely.Point(DISC_X, DISC_Y))


def test_every_proposal_is_shown_and_can_be_taken(lab: Lab, alice: Person) -> None:
    number = lab.draw(BOX)
    best = alice.click(number, ON, proposal="best")
    proposals = best["proposals"]
    assert isinstance(proposals, list)
    assert [each["index"] for each in proposals] == [0, 1, 2]
    for each in proposals:
        if each["geometry"] is None:
            continue
        taken = alice.click(number, ON, proposal=each["index"])
        assert (taken["proposal"], taken["score"]) == (each["index"], pytest.approx(each["score"]))
        shape = shapely.from_wkt(taken["location"])
        assert shape.equals(shapely.geometry.shape(each["geometry"]))
        assert shape.area == pytest.approx(each["area_px0"])


def test_points_of_the_operators_term_show_the_background(lab: Lab, alice: Person, background: int) -> None:
    number = lab.draw(BOX)
    on = lab.point(DISC_X, DISC_Y)
    off = lab.point(OFF["x"] - 10, OFF["y"] - 10, terms=(background,))
    with_comment = lab.point(OFF["x"] - 12, OFF["y"] - 10, terms=(background,))
    lab.cytomine.store.add_comment(with_comment, lab.bob.id, "seen")
    shown = alice.ask(number, dry_run=True).json()
    assert shown["points_used"] == [on, off]
    same = alice.click(number, ON, {"x": OFF["x"] - 10, "y": OFF["y"] - 10, "label": 0})
    assert same["location"] == shown["location"]
    result = alice.ask(number).json()
    assert sorted(result["points_deleted"]) == sorted([on, off])
    assert lab.location(with_comment) is not None


def predict(lab: Lab, **body: object) -> httpx.Response:
    url = f"{lab.service_url}/sam/prediction"
    return httpx.post(url, json={"image_id": lab.image, **body}, headers=HEADERS, timeout=60, trust_env=False)


def feature(x: float, y: float, label: int = 1) -> dict[str, object]:
    point = {"type": "Point", "coordinates": [x, y]}
    return {"type": "Feature", "geometry": point, "properties": {"label": label}}


def test_a_point_and_a_rough_size_are_enough_for_a_prediction(lab: Lab) -> None:
    answer = predict(lab, points=[feature(DISC_X, DISC_Y)], size=2.3 * DISC_RADIUS)
    assert answer.status_code == 200, answer.text
    told = answer.json()["properties"]
    assert told["box"] is None
    assert [each["index"] for each in told["proposals"]] == [0, 1, 2]
    assert {"score", "confidence", "calibrated", "doubts", "doubtful", "proposal"} <= told.keys()
    found = shapely.geometry.shape(answer.json()["geometry"])
    assert found.intersects(DISC)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"size": 50}, 400),
        ({"points": [feature(DISC_X, DISC_Y)]}, 400),
        ({"points": [feature(DISC_X, DISC_Y, 0)], "size": 50}, 400),
        ({"points": [feature(DISC_X, DISC_Y)], "size": 0}, 400),
        ({"points": [feature(-5, DISC_Y)], "size": 50}, 422),
        ({"points": [feature(DISC_X, DISC_Y), feature(DISC_X + 400, DISC_Y, 0)], "size": 50}, 422),
    ],
    ids=str,
)
def test_what_shows_no_object_is_refused(lab: Lab, body: dict[str, object], status: int) -> None:
    assert predict(lab, **body).status_code == status


@pytest.mark.parametrize("clicks", [[], [ON], [ON, OFF]])
def test_a_prediction_takes_the_same_options_as_a_refine(
    lab: Lab, alice: Person, clicks: list[dict[str, float]]
) -> None:
    area = {"type": "Feature", "geometry": shapely.geometry.mapping(BOX), "properties": {}}
    points = [feature(click["x"], click["y"], int(click["label"])) for click in clicks]
    options = {"proposal": 1, "detail": 40, "outline": "smooth"}
    told = predict(lab, geometry=area, points=points, **options).json()
    shown = alice.click(lab.draw(BOX), *clicks, **options)
    assert shapely.geometry.shape(told["geometry"]).equals(shapely.from_wkt(shown["location"]))
    assert told["properties"]["proposal"] == 1
