"""Faults on demand: every kind, before and after the work, at the n-th call, the same for the same seed."""

from __future__ import annotations

import json
import random
import time

import httpx
import pytest

from demo.cytomine.faults import Fault, Kind, drawn_fault
from demo.cytomine.spoiling import ODD_BODIES, odd_json
from tests.demo.conftest import Core
from tests.lab import BOX, Lab

ANSWER = (200, [(b"content-type", b"application/json")], b'{"id": 5, "term": [1, 2], "user": {"id": 7}}')


def delete(lab: Lab, core: Core, number: int) -> int:
    """Delete a point as alice; gives the status."""
    return core.call(lab.alice, "DELETE", f"api/annotation/{number}.json").status_code


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["status", "drop", "odd", "cut"])
def test_work_is_done_or_not(lab: Lab, core: Core, kind: Kind, when: str) -> None:
    point = lab.point(5, 5)
    lab.cytomine.faults.add(Fault(kind, method="DELETE", when=when))  # type: ignore[arg-type]
    if kind in ("drop", "cut"):
        with pytest.raises(Exception, match=r"(?i)connection|incompleteread"):
            delete(lab, core, point)
    else:
        assert delete(lab, core, point) == (500 if kind == "status" else 200)
    done = when == "after" or kind == "cut"  # half an answer needs a whole one
    assert (lab.location(point) is None) == done


def test_the_third_call_goes_wrong_and_no_other(lab: Lab, core: Core) -> None:
    lab.cytomine.faults.add(Fault("status", path="/api/user/", status=503, skip=2))
    statuses = [core.call(lab.alice, "GET", "api/user/current.json").status_code for _ in range(5)]
    assert statuses == [200, 200, 503, 200, 200]


def test_a_dripping_answer_is_whole_but_slow(lab: Lab, core: Core) -> None:
    number = lab.draw(BOX)
    whole = core.call(lab.alice, "GET", f"api/annotation/{number}.json").json()
    lab.cytomine.faults.add(Fault("drip", path="/api/annotation/", seconds=0.001))
    assert core.call(lab.alice, "GET", f"api/annotation/{number}.json").json() == whole


def test_a_dripping_answer_ends_with_its_caller(lab: Lab) -> None:
    lab.cytomine.faults.add(Fault("drip", path="/ims/info", seconds=0.1))
    with httpx.stream("GET", f"{lab.cytomine.pims_url}/info", trust_env=False) as answer:
        assert next(answer.iter_raw()) == b"{"
    give_up = time.monotonic() + 60
    while lab.cytomine.faults.under_way:
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_odd_json_is_odd_and_the_same_for_the_same_seed() -> None:
    good = json.loads(ANSWER[2])
    bodies = [odd_json(random.Random(seed), ANSWER)[2] for seed in range(300)]
    assert bodies == [odd_json(random.Random(seed), ANSWER)[2] for seed in range(300)]
    assert json.dumps(good).encode() not in bodies
    assert set(ODD_BODIES) <= set(bodies)
    changed = [json.loads(body) for body in bodies if body not in ODD_BODIES]
    assert any("id" not in each for each in changed)
    assert any(each.get("user") != good["user"] and isinstance(each.get("user"), dict) for each in changed)


def test_drawn_faults_are_the_same_for_the_same_seed() -> None:
    calls = [("GET", "/api/annotation/"), ("PUT", "/api/")]
    drawn = [drawn_fault(random.Random(seed), calls=calls, most_skip=3) for seed in range(200)]
    assert drawn == [drawn_fault(random.Random(seed), calls=calls, most_skip=3) for seed in range(200)]
    assert {fault.skip for fault in drawn} == {0, 1, 2, 3}
    assert {(fault.method, fault.path) for fault in drawn} == set(calls)
    assert {fault.when for fault in drawn} == {"before", "after"}
    assert len({fault.kind for fault in drawn}) == 10
