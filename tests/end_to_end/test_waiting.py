"""Clients that wait behind another refine and go away give back what they held."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, Lab, in_one_process, serving, settings_for, settle

PATIENCE_S = 60


@in_one_process
def test_whoever_waits_for_another_refine_and_leaves_makes_room(
    cytomine: EmbeddedCytomine, request: pytest.FixtureRequest
) -> None:
    settings = settings_for(cytomine, max_in_flight=4)
    long = {"read_timeout_s": 2.0 * PATIENCE_S, "answer_timeout_s": 2.0 * PATIENCE_S}
    patient = settings.model_copy(update={"platform": settings.platform.model_copy(update=long)})
    with serving(patient) as url, ThreadPoolExecutor(4) as pool:
        lab = settle(cytomine, request.node.nodeid, url)
        number, other = lab.draw(BOX), lab.draw(BOX)
        come, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            come.set()
            assert go_on.wait(PATIENCE_S)

        cytomine.faults.add(Fault("slow", method="PUT", path=f"/annotation/{number}.json", hook=hold))
        try:
            first = pool.submit(lab.refine, number)
            assert come.wait(PATIENCE_S)
            followers = [pool.submit(_gone, lab, number) for _ in range(3)]
            for each in followers:
                each.result(PATIENCE_S)
            assert _answered(lab, other).status_code == 200
            assert not first.done()
        finally:
            go_on.set()
        assert first.result(PATIENCE_S).status_code == 200
    cytomine.faults.clear()


def _gone(lab: Lab, number: int) -> None:
    """Ask for another kind of refine of an annotation that is at work, and hang up."""
    with pytest.raises(httpx.ReadTimeout):
        lab.refine(number, timeout_s=1, points="ignore")


def _answered(lab: Lab, number: int) -> httpx.Response:
    """Ask until there is room."""
    until = time.monotonic() + PATIENCE_S
    while (answer := lab.refine(number)).status_code == 503 and time.monotonic() < until:
        time.sleep(0.1)
    return answer
