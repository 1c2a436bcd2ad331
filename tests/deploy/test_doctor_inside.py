"""The doctor, from inside of the network, in each broken variant: one line that names the fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.cytomine.store import Mask
from tests.deploy.stack import Stack, run

LINE = re.compile(r"^(ok|warning|FAILED|skipped)\s+([^:]+): (.*)$")


def doctor(stack: Stack, **environment: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    """Give the exit status, each check's state and text, and all that was printed."""
    done = stack.inside("refine", "python", "-m", "app", "doctor", COLUMNS="400", **environment)
    found = [LINE.match(line.strip()) for line in done.stdout.splitlines()]
    return done.returncode, {match[2]: (match[1], match[3]) for match in found if match}, done.stdout + done.stderr


def failed(findings: dict[str, tuple[str, str]]) -> list[str]:
    return [about for about, (state, _) in findings.items() if state == "FAILED"]


@contextmanager
def without(stack: Stack, service: str) -> Iterator[None]:
    run("podman", "stop", "-t", "0", stack.container(service))
    stack.wait_for_names()
    try:
        yield
    finally:
        run("podman", "start", stack.container(service))
        stack.wait_for_cytomine()


def test_a_sound_stack(stack: Stack) -> None:
    status, findings, said = doctor(stack)
    assert status == 0, said
    assert findings["route"] == ("ok", f"nginx lets Core through ({stack.net}.6), and nobody else")
    assert [about for about, (state, _) in findings.items() if state == "warning"] == ["weights"]  # the demo model
    assert "Nothing is wrong" not in said


def test_a_wrong_allow_list(stack: Stack) -> None:
    file = stack.folder / "configs" / "nginx" / "etc" / "nginx" / "refine-core.conf"
    right = file.read_text()
    file.write_text(right.replace(f"{stack.net}.6", "172.20.0.6"))
    stack.up_nginx()
    try:
        assert stack.click(stack.draw()).status_code == 403
        status, findings, said = doctor(stack)
    finally:
        file.write_text(right)
        stack.up_nginx()
    assert (status, failed(findings)) == (1, ["route"]), said
    assert f"nginx lets 172.20.0.6 through, but Core is {stack.net}.6" in findings["route"][1]
    assert "scripts/join.py" in said


def test_core_is_down(stack: Stack) -> None:
    with without(stack, "core"):
        status, findings, said = doctor(stack)
    assert (status, failed(findings)) == (1, ["Core"]), said
    assert "Core is down" in said


def test_pims_is_down(stack: Stack) -> None:
    with without(stack, "pims"):
        status, findings, said = doctor(stack)
    assert (status, failed(findings)) == (1, ["PIMS"]), said
    assert "PIMS is down" in said


def test_nginx_is_down(stack: Stack) -> None:
    with without(stack, "nginx"):
        status, findings, said = doctor(stack)
    assert (status, failed(findings)) == (1, ["Core"]), said
    assert "no answer from http://nginx" in findings["Core"][1]


def test_wrong_keys(stack: Stack) -> None:
    keys = {"REFINE_PLATFORM__PUBLIC_KEY": "guessed", "REFINE_PLATFORM__PRIVATE_KEY": "guessed"}
    status, findings, said = doctor(stack, **keys)
    assert (status, failed(findings)) == (1, ["account"]), said
    assert "Core does not accept the keys" in findings["account"][1]


def test_a_clock_that_is_off(stack: Stack) -> None:
    library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    if stack.inside("refine", "test", "-f", library).returncode:
        pytest.skip("no libfaketime for this machine")
    status, findings, said = doctor(stack, LD_PRELOAD=library, FAKETIME="+1h", FAKETIME_DONT_FAKE_MONOTONIC="1")
    assert (status, failed(findings)) == (1, ["clocks"]), said
    assert "NTP" in said


@pytest.mark.parametrize(
    "broken",
    [
        {"REFINE_SEGMENTER__CHECKPOINT": "/app/weights/nowhere.pt"},
        {"REFINE_SEGMENTER__DEMO_MODEL": "false"},  # and nothing was pulled
    ],
)
def test_weights_that_are_not_there(stack: Stack, broken: dict[str, str]) -> None:
    status, findings, said = doctor(stack, **broken)
    assert (status, failed(findings)) == (1, ["weights"]), said
    assert "weights pull" in said


def test_an_image_of_which_the_account_may_see_the_y_axis(stack: Stack) -> None:
    account = stack.add_user("refine-service")
    stack.store.add_member(stack.project, account.id, Mask.READ)
    keys = {"REFINE_PLATFORM__PUBLIC_KEY": account.public_key, "REFINE_PLATFORM__PRIVATE_KEY": account.private_key}
    done = stack.inside("refine", "python", "-m", "app", "doctor", "--image", str(stack.image), COLUMNS="400", **keys)
    assert "ok      y axis:" in done.stdout, done.stdout + done.stderr
