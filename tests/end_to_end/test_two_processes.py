"""Two processes of the service that share nothing but Core: one refine of an annotation is written, not two."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from demo.service import Service, running_service
from tests.lab import BOX, DISC_X, DISC_Y, SECRET, Lab, free_port, in_one_process, settle

PATIENCE_S = 120
pytestmark = in_one_process


@pytest.fixture(scope="module")
def pair(cytomine: EmbeddedCytomine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    account = cytomine.store.add_user("refine-service")
    keys = (account.public_key, account.private_key)
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        runs = [
            running_service(free_port(), cytomine.base_url, keys, SECRET, folder / f"{number}.log")
            for number in range(2)
        ]
        yield list(pool.map(stack.enter_context, runs))
        cytomine.faults.clear()


@pytest.fixture
def scene(cytomine: EmbeddedCytomine, pair: list[Service], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, pair[0].url)
    cytomine.faults.clear()


def at_once(pool: ThreadPoolExecutor, pair: list[Service], number: int) -> list[Future[httpx.Response]]:
    return [pool.submit(service.refine, number) for service in pair]


def path_of(number: int) -> str:
    return f"/api/annotation/{number}.json"


def check_written_once(scene: Lab, number: int, answers: list[httpx.Response]) -> None:
    """One of them has written; the other one says that it has not."""
    assert sorted(answer.status_code for answer in answers) == [200, 409], [answer.text for answer in answers]
    winner, loser = sorted((answer.json() for answer in answers), key=lambda body: body.get("status", 200))
    assert loser["type"] == "urn:cytomine-refine:annotation-changed"
    assert winner["location"] == scene.location(number)
    puts = [
        seen.status for seen in scene.cytomine.faults.requests if (seen.method, seen.path) == ("PUT", path_of(number))
    ]
    assert puts.count(200) == 1


@pytest.mark.parametrize("round_", range(4))
def test_two_writes_that_meet_at_core_are_one(scene: Lab, pair: list[Service], round_: int) -> None:
    number, point = scene.draw(BOX), scene.point(DISC_X + round_, DISC_Y)
    both_have_read = threading.Barrier(2, timeout=PATIENCE_S)
    scene.cytomine.faults.add(
        Fault("slow", method="PUT", path=re.escape(path_of(number)), times=2, hook=both_have_read.wait)
    )
    with ThreadPoolExecutor(2) as pool:
        answers = [each.result(PATIENCE_S) for each in at_once(pool, pair, number)]
    check_written_once(scene, number, answers)
    assert scene.location(point) is None
    assert scene.requests("DELETE") == [path_of(point)]


def test_many_pairs_at_once(scene: Lab, pair: list[Service]) -> None:
    numbers = [scene.draw(BOX) for _ in range(8)]
    with ThreadPoolExecutor(2 * len(numbers)) as pool:
        asked = [(number, at_once(pool, pair, number)) for number in numbers]
        for number, futures in asked:
            answers = [each.result(PATIENCE_S) for each in futures]
            statuses = sorted(answer.status_code for answer in answers)
            if statuses == [200, 200]:  # they did not meet: the second has read what the first one wrote
                first, second = (answer.json() for answer in answers)
                assert first["location"] in (second["previous_location"], second["location"])
                assert second["location"] in (first["previous_location"], first["location"])
            else:
                check_written_once(scene, number, answers)


def test_what_one_has_shown_the_other_one_writes(scene: Lab, pair: list[Service]) -> None:
    number = scene.draw(BOX)
    shown = pair[0].refine(number, dry_run=True, clicks=[{"x": DISC_X, "y": DISC_Y}]).json()
    answer = pair[1].refine(number, preview=shown["preview"])
    assert answer.status_code == 200, answer.text
    assert scene.location(number) == shown["location"] == answer.json()["location"]


def test_accepted_at_both_it_is_written_once(scene: Lab, pair: list[Service]) -> None:
    number = scene.draw(BOX)
    preview = pair[0].refine(number, dry_run=True).json()["preview"]
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(service.refine, number, preview=preview) for service in pair]
        statuses = sorted(each.result(PATIENCE_S).status_code for each in answers)
    assert statuses == [200, 409]
