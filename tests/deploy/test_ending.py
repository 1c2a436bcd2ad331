"""The service is stopped or killed in the middle of a refine, and starts again: nothing that was drawn is lost."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest
import shapely
import yaml

from tests.deploy.stack import SERVICE, Drawn, Stack, run, until
from tests.lab import BOX


def begin(stack: Stack, drawn: Drawn, pool: ThreadPoolExecutor) -> Future[httpx.Response]:
    return pool.submit(stack.click, drawn)


def held(stack: Stack, service: str, method: str, path: str, when: str = "before", seconds: float = 5.0) -> None:
    """Let one request of the service take its time."""
    fault = {"kind": "slow", "method": method, "path": path, "when": when, "seconds": seconds}
    stack.lab(service, "POST", "fault", json=fault)


def test_a_refine_under_way_is_finished_before_the_container_stops(stack: Stack) -> None:
    drawn = stack.draw()
    held(stack, "pims", "POST", "/window")
    with ThreadPoolExecutor() as pool:
        answer = begin(stack, drawn, pool)
        until(lambda: stack.lab("pims", "GET", "under_way") == 1, "the window is being read")
        stack.compose("stop", "refine")  # with the grace that our file gives
        assert answer.result().status_code == 200, answer.result().text
    assert stack.iou(drawn) > 0.8
    assert stack.inspect("refine")["State"]["ExitCode"] != 137
    run("podman", "start", stack.container("refine"))
    stack.wait_for_service()


@pytest.mark.parametrize("step", ["the window is being read", "the outline is written, points are being deleted"])
def test_killed_in_the_middle(stack: Stack, step: str) -> None:
    drawn = stack.draw()
    is_written = "written" in step
    service = "core" if is_written else "pims"
    held(stack, service, *(("DELETE", "annotation") if is_written else ("POST", "/window")), seconds=8.0)
    with ThreadPoolExecutor() as pool:
        answer = begin(stack, drawn, pool)
        if is_written:
            until(lambda: stack.store.location(drawn.id) != BOX.wkt, step)
        else:
            until(lambda: stack.lab("pims", "GET", "under_way") == 1, step)
        run("podman", "kill", "-s", "KILL", stack.container("refine"))
        status = answer.result().status_code
    assert status in {502, 503, 504}
    stored = stack.store.location(drawn.id)
    assert stored is not None
    if is_written:
        assert stack.iou(drawn) > 0.8
        assert shapely.from_wkt(stored).is_valid
        assert "may have changed" in answer.result().json()["detail"]
    else:
        assert stored == BOX.wkt
        assert stack.left(drawn) == list(drawn.points)
    run("podman", "start", stack.container("refine"))
    stack.wait_for_service()
    until(lambda: stack.click(drawn).status_code == 200, "nginx finds the container at its new address")


def test_a_new_container_finds_the_weights_of_the_old_one(stack: Stack) -> None:
    run("podman", "rm", "-f", "-t", "10", stack.container("refine"))
    stack.compose("up", "-d", "--no-deps", "refine")
    stack.wait_for_service()
    log = run("podman", "logs", stack.container("refine"))
    assert "First start with these weights" not in log.stdout + log.stderr
    drawn = stack.draw()
    until(lambda: stack.click(drawn).status_code == 200, "nginx finds the new container")
    assert stack.iou(drawn) > 0.8


ASK = """
import socket, time, urllib.request
while True:
    try:
        print(urllib.request.urlopen("http://refine:6000/sam/ready").status)
        break
    except OSError as error:
        if not isinstance(getattr(error, "reason", None), socket.gaierror):
            raise
    time.sleep(0.1)
"""
"""Asks once: until podman's name server knows the network's newest container, nobody was asked."""
WAITS = {
    "image": SERVICE,
    "command": ["python", "-c", ASK],
    "networks": ["cytomine-network"],
    "depends_on": {"refine": {"condition": "service_healthy"}},
}


def test_what_depends_on_the_service_starts_when_it_is_healthy(stack: Stack) -> None:
    (stack.folder / "report.yml").write_text(yaml.safe_dump({"services": {"report": WAITS}}))
    run("podman", "rm", "-f", "-t", "10", stack.container("refine"))
    stack.compose("up", "-d", "report", theirs="report.yml")
    report = stack.container("report")
    try:
        run("podman", "wait", report)
        said = run("podman", "logs", report)
        assert said.stdout.strip() == "200", said.stderr
    finally:
        run("podman", "rm", "-f", report)
