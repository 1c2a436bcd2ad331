"""From the button to the service, in containers: who passes, and how the service is locked in."""

from __future__ import annotations

import json

import httpx

from tests.deploy.stack import Stack, run
from tests.lab import BOX


def test_the_button_refines_through_nginx(stack: Stack) -> None:
    drawn = stack.draw()
    answer = stack.click(drawn)
    assert answer.status_code == 200, answer.text
    assert stack.store.location(drawn.id) != BOX.wkt
    assert stack.iou(drawn) > 0.8
    assert stack.left(drawn) == []


def test_a_forged_host_is_refused(stack: Stack) -> None:
    answer = stack.public("/sam/ready", headers={"host": "nginx", "x-forwarded-for": f"{stack.net}.6"})
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:cytomine-refine:not-public"
    assert answer.json()["allowed"] == f"{stack.net}.6"
    assert "access-control-allow-origin" not in answer.headers


def test_the_public_name_leads_to_the_web_ui(stack: Stack) -> None:
    assert stack.public("/sam/ready").text == "the web UI"


ASK = """
import sys, urllib.error, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1]).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


def test_another_container_is_refused(stack: Stack) -> None:
    for sender in ("app-engine", "pims", "refine"):
        said = stack.inside(sender, "python", "-c", ASK, "http://nginx/sam/ready").stdout
        assert said.startswith("403 "), said
        assert json.loads(said.removeprefix("403 "))["sender"].startswith(stack.net.rpartition(".")[0])
    assert stack.inside("core", "python", "-c", ASK, "http://nginx/sam/ready").stdout.strip() == "200"


def test_past_nginx_nobody_works_without_credentials(stack: Stack) -> None:
    address = stack.inspect("refine")["NetworkSettings"]["Networks"].popitem()[1]["IPAddress"]
    answer = httpx.post(f"http://{address}:6000/sam/annotations/{stack.draw().id}/refine", trust_env=False)
    assert answer.status_code == 401


def test_the_container_can_do_nothing_else(stack: Stack) -> None:
    seen = stack.inspect("refine")
    assert seen["HostConfig"]["ReadonlyRootfs"]
    assert seen["HostConfig"]["Memory"] == 3 * 2**30
    assert not any((seen["HostConfig"]["PortBindings"] or {}).values())
    status = stack.inside("refine", "cat", "/proc/1/status").stdout
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert lines["Uid"].split() == ["10001"] * 4
    assert int(lines["CapEff"], 16) == int(lines["CapBnd"], 16) == 0
    assert lines["NoNewPrivs"] == "1"
    assert stack.inside("refine", "sh", "-c", "echo x > /app/x").returncode != 0
    assert stack.inside("refine", "sh", "-c", "echo x > /tmp/x && echo x > /app/weights/x").returncode == 0
    assert stack.inside("refine", "python", "-c", "import torch").returncode != 0


def test_the_health_check_runs_in_the_container(stack: Stack) -> None:
    assert stack.inspect("refine")["Config"]["Healthcheck"]["Test"] == ["CMD", "python", "-m", "app", "health"]
    run("podman", "healthcheck", "run", stack.container("refine"))


def test_the_guides_command_runs_in_the_container(stack: Stack) -> None:
    drawn = stack.draw()
    keys = {
        "CYTOMINE_HOST": "http://nginx",
        "CYTOMINE_PUBLIC_KEY": stack.alice.public_key,
        "CYTOMINE_PRIVATE_KEY": stack.alice.private_key,
    }
    command = ["python", "-m", "app", "refine", "--annotation", str(drawn.id)]
    dry = stack.inside("refine", *command, "--dry-run", "--report", "/tmp/dry.csv", **keys)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert stack.store.location(drawn.id) == BOX.wkt
    done = stack.inside("refine", *command, "--report", "/tmp/refined.csv", **keys)
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.iou(drawn) > 0.8
    assert str(drawn.id) in stack.inside("refine", "cat", "/tmp/refined.csv").stdout
