"""The whole loop over real HTTP: annotation id in, better polygon written back, points gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import shapely

from tests.lab import BOX, DISC, DISC_RADIUS, DISC_X, DISC_Y, HEADERS, HEIGHT, WIDTH, Lab


def test_a_loose_box_becomes_the_disc(lab: Lab) -> None:
    number = lab.draw(BOX)
    points = [lab.point(DISC_X, DISC_Y), lab.point(DISC_X + 20, DISC_Y + 10)]
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["changed"]
    assert result["location"] == lab.location(number)
    assert result["previous_location"] == BOX.wkt
    assert sorted(result["points_used"]) == sorted(result["points_deleted"]) == points
    assert [lab.location(point) for point in points] == [None, None]
    assert lab.iou(number) > 0.85 > BOX.intersection(DISC).area / BOX.area
    assert set(result["timings_ms"]) >= {"validity", "box", "points", "window", "encode", "decode", "postprocess"}
    assert "total;dur=" in answer.headers["server-timing"]


def test_the_outline_is_not_shifted(lab: Lab) -> None:
    number = lab.draw(BOX)
    lab.refine(number)
    centre = shapely.from_wkt(lab.location(number)).centroid
    assert centre.distance(shapely.Point(DISC_X, DISC_Y)) < 0.05 * DISC_RADIUS


def test_the_thesis_route_refines_too(lab: Lab) -> None:
    number = lab.draw(BOX)
    answer = httpx.post(
        f"{lab.service_url}/sam/autonomous_prediction",
        params={"annotation_id": number},
        headers=HEADERS,
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 200
    assert answer.json()["message"] == "Change completed successfully."
    assert lab.iou(number) > 0.85


def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.clear()
    result = lab.refine(number, dry_run=True).json()
    assert (result["changed"], result["points_deleted"], result["command"]) == (False, [], None)
    assert shapely.from_wkt(result["location"]).area > 0
    assert lab.location(number) == BOX.wkt
    assert lab.location(point) is not None
    assert lab.requests("PUT") == lab.requests("DELETE") == []


def test_kept_points_stay(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    result = lab.refine(number, keep_points=True).json()
    assert result["points_used"] == [point]
    assert result["points_deleted"] == []
    assert lab.location(point) is not None


def test_the_platform_can_undo_it(lab: Lab) -> None:
    from cytomine import Cytomine

    number = lab.draw(BOX)
    command = lab.refine(number).json()["command"]
    keys = (lab.account.public_key, lab.account.private_key)
    with Cytomine(lab.cytomine.base_url, *keys, use_cache=False, configure_logging=False) as client:
        assert client.get(f"command/{command}/undo.json")
    assert lab.location(number) == BOX.wkt


def test_the_platform_can_undo_all_of_it(lab: Lab) -> None:
    from cytomine import Cytomine

    number, points = lab.draw(BOX), [lab.point(DISC_X, DISC_Y), lab.point(DISC_X + 20, DISC_Y)]
    result = lab.refine(number).json()
    assert len(result["commands"]) == 3
    assert result["commands"][0] == result["command"]
    keys = (lab.account.public_key, lab.account.private_key)
    with Cytomine(lab.cytomine.base_url, *keys, use_cache=False, configure_logging=False) as client:
        for command in reversed(result["commands"]):
            assert client.get(f"command/{command}/undo.json")
    assert lab.location(number) == BOX.wkt
    assert all(lab.location(point) is not None for point in points)


def test_points_that_are_not_prompts_survive(lab: Lab) -> None:
    store = lab.cytomine.store
    term, other_term = store.add_term(lab.project, "gland"), store.add_term(lab.project, "mitosis")
    number = lab.draw(BOX, terms=(term,))
    prompts = [lab.point(DISC_X, DISC_Y), lab.point(DISC_X + 9, DISC_Y, terms=(term,))]
    kept = [
        lab.point(DISC_X + 1, DISC_Y, by=lab.bob),
        lab.point(DISC_X + 2, DISC_Y, terms=(other_term,)),
        lab.point(BOX.bounds[0], DISC_Y),
        lab.point(BOX.bounds[0] - 3, DISC_Y),
    ]
    for hang in (
        lambda point: store.add_comment(point, lab.bob.id, "seen"),
        lambda point: store.add_property(point, "grade", "2"),
        lambda point: store.add_description(point, "a mitosis"),
        lambda point: store.add_tag(point, "seen"),
        lambda point: store.add_track(point, "a cell"),
        lambda point: store.add_attached_file(point, "a mitosis.png"),
        lambda point: store.add_link([point, number]),
    ):
        kept.append(lab.point(DISC_X + 3, DISC_Y))
        hang(kept[-1])
    result = lab.refine(number).json()
    assert sorted(result["points_used"]) == prompts
    assert [lab.location(point) is not None for point in kept] == [True] * len(kept)


@pytest.mark.parametrize(
    ("mode", "drawn", "status", "used"), [("auto", 500, 422, 0), ("all", 50, 200, 50), ("ignore", 500, 200, 0)]
)
def test_many_points(lab: Lab, mode: str, drawn: int, status: int, used: int) -> None:
    number, points = lab.draw(BOX), lab.points(drawn)
    answer = lab.refine(number, timeout_s=240, points=mode)
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["points_used"]) == used
    else:
        assert answer.json()["type"].endswith("too-many-points")
        assert lab.location(number) == BOX.wkt
    left = sum(lab.location(point) is not None for point in points)
    assert left == drawn - used


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shapely.box(0, 0, 9, 9), id="8 px at a corner"),
        pytest.param(shapely.box(WIDTH - 60, HEIGHT - 40, WIDTH, HEIGHT), id="opposite corner"),
        pytest.param(shapely.box(0, 0, WIDTH, HEIGHT), id="the whole slide"),
        pytest.param(shapely.box(-300, 200, 300, 500), id="partly outside"),
        pytest.param(shapely.box(5, 290, WIDTH - 5, 300), id="elongated"),
        pytest.param(BOX.difference(shapely.Point(DISC_X, DISC_Y).buffer(20)), id="with a hole"),
        pytest.param(shapely.union(BOX, shapely.box(700, 250, 740, 330)), id="MultiPolygon"),
    ],
)
def test_any_place_and_form(lab: Lab, shape: shapely.Geometry) -> None:
    number = lab.draw(shape)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    stored = shapely.from_wkt(lab.location(number))
    assert stored.is_valid
    assert not stored.is_empty
    assert shapely.box(0, 0, WIDTH, HEIGHT).contains(stored) or not answer.json()["changed"]
    window = answer.json()["window"]
    x0, y0, x1, y1 = shape.intersection(shapely.box(0, 0, WIDTH, HEIGHT)).bounds
    assert window["x"] <= x0
    assert window["y"] <= HEIGHT - y1
    assert window["x"] + window["width"] >= x1
    assert window["y"] + window["height"] >= HEIGHT - y0


def test_sixteen_at_once_give_what_one_after_another_gives(lab: Lab) -> None:
    centres = [(x, y) for x in (760, 950, 1100) for y in range(120, 860, 160)] + [(DISC_X, DISC_Y)]
    boxes = [
        shapely.box(x - 70 - index, y - 66, x + 63 + 2 * index, y + 72 - index) for index, (x, y) in enumerate(centres)
    ]
    assert len(boxes) == 16
    first = [lab.draw(box) for box in boxes]
    second = [lab.draw(box) for box in boxes]
    one_by_one = [lab.refine(number).json() for number in first]
    with ThreadPoolExecutor(16) as pool:
        at_once = [answer.json() for answer in pool.map(lab.refine, second)]
    for alone, together in zip(one_by_one, at_once, strict=True):
        assert together["location"] == alone["location"]
        assert together["score"] == alone["score"]
    assert len({result["location"] for result in at_once}) == 16


def test_the_same_request_at_once_is_written_as_often_as_it_says(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.clear()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lab.refine, [number] * 6))
    assert {answer.status_code for answer in answers} == {200}
    assert len(lab.requests("PUT")) == len({answer.json()["command"] for answer in answers})  # those that met share one
    assert lab.requests("DELETE") == [f"/api/annotation/{point}.json"]


def test_health_answers_while_models_work(lab: Lab) -> None:
    numbers = [lab.draw(BOX) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(lab.refine, number) for number in numbers]
        answered = 0
        while not all(each.done() for each in running):
            assert httpx.get(f"{lab.service_url}/health", timeout=60, trust_env=False).status_code == 200
            answered += 1
    assert answered > 1
