"""The service is killed at each step of a refine: what the user drew, shape or points, is never lost."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import shapely

from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from demo.service import Service, running_service
from tests.lab import BOX, DISC_X, DISC_Y, SECRET, Lab, in_one_process, settle


@pytest.fixture
def doomed(cytomine: EmbeddedCytomine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Service]]:
    account = cytomine.store.add_user("refine-service")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    keys = (account.public_key, account.private_key)
    with running_service(port, cytomine.base_url, keys, SECRET, tmp_path / "service.log") as service:
        yield settle(cytomine, request.node.nodeid, service.url), service
    cytomine.faults.clear()


STEPS = [
    ("the first read", Fault("slow", method="GET", path="/api/annotation/")),
    ("the points", Fault("slow", method="GET", path="/api/annotation.json")),
    ("the window", Fault("slow", method="POST", path="/ims/.*/window")),
    ("the second read", Fault("slow", method="GET", path="/api/annotation/\\d+.json", skip=1)),
    ("before the update", Fault("slow", method="PUT")),
    ("after the update", Fault("slow", method="PUT", when="after")),
    ("before the first deletion", Fault("slow", method="DELETE")),
    ("after the first deletion", Fault("slow", method="DELETE", when="after")),
    ("before the second deletion", Fault("slow", method="DELETE", skip=1)),
]


QUICK = {"the window", "after the update"}
"""Kills that every run tries: before anything is written, and between the outline and the points."""


@in_one_process
@pytest.mark.parametrize(
    ("step", "fault"),
    [pytest.param(*each, id=each[0], marks=[] if each[0] in QUICK else pytest.mark.long) for each in STEPS],
)
def test_killed_at(doomed: tuple[Lab, Service], step: str, fault: Fault) -> None:
    lab, service = doomed
    number, points = lab.draw(BOX), [lab.point(DISC_X, DISC_Y), lab.point(DISC_X + 9, DISC_Y)]

    def kill() -> None:
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()

    fault.hook = kill
    lab.cytomine.faults.add(fault)
    with pytest.raises(httpx.TransportError):
        lab.refine(number)
    left = [point for point in points if lab.location(point) is not None]
    stored = lab.location(number)
    assert stored is not None, step
    if stored == BOX.wkt:
        assert left == points, step
    else:
        assert shapely.from_wkt(stored).is_valid
        assert lab.iou(number) > 0.8
    written = (
        step in {"after the update", "before the first deletion", "after the first deletion"} or "second del" in step
    )
    if not written and step != "before the update":  # that one is already with Core when the service dies
        assert stored == BOX.wkt
    if step == "before the first deletion":
        assert len(left) >= 1
