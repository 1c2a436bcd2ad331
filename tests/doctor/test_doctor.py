"""The doctor finds what is wrong with an installation, and only that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import cv2
import httpx
import numpy as np
import pytest
import shapely

from app.doctor import Finding, examine
from app.doctor.core import clock, core
from app.doctor.pims import pims
from app.settings import PlatformSettings, Settings
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, Role
from tests.fakes.scripted_server import Answer, ScriptedServer
from tests.lab import HEIGHT, WIDTH, Lab, settle

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, "")
    cytomine.faults.clear()


@pytest.fixture
def environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    names = {
        "REFINE_PLATFORM__HOST": lab.cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": lab.account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": lab.account.private_key,
        "REFINE_SEGMENTER__DEVICE": "cpu",
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    return names


def found(image: int | None = None, nginx: Path | None = None, core: str = "127.0.0.1") -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(image, nginx, core)}


def refusal(allowed: str) -> Fault:
    """What nginx says to whoever is not Core."""
    body = json.dumps({"type": "urn:cytomine-refine:not-public", "status": 403, "allowed": allowed}).encode()
    return Fault("status", "GET", "/sam/ready", status=403, content_type="application/problem+json", body=body)


def failures(findings: dict[str, Finding]) -> list[str]:
    return [about for about, finding in findings.items() if finding.state == "failed"]


def test_a_sound_installation(lab: Lab, environment: dict[str, str], tmp_path: Path) -> None:
    route = tmp_path / "nginx.txt"
    route.write_text("server {\n location ^~ /sam/ {\n  proxy_read_timeout 150s;\n }\n}\n")
    lab.cytomine.faults.add(refusal("127.0.0.1"))
    findings = found(lab.image, route)
    states = {about: finding.state for about, finding in findings.items()}
    assert states.pop("weights") == "warning"  # the embedded model
    assert set(states.values()) == {"ok"}, findings
    assert set(states) == {
        "settings", "device", "Core", "clocks", "PIMS", "account", "y axis", "route", "proxy timeout",
    }  # fmt: skip


def test_wrong_settings_end_it(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFINE_API__PROT", "6000")
    assert [finding.state for finding in examine()] == ["failed"]


def test_broken_weights(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "weights.pt"
    broken.write_bytes(b"no checkpoint")
    monkeypatch.setenv("REFINE_SEGMENTER__CHECKPOINT", str(broken))
    findings = found()
    assert "failed" in {findings["weights"].state, findings.get("device", findings["weights"]).state}
    monkeypatch.setenv("REFINE_SEGMENTER__CHECKPOINT", str(tmp_path / "nowhere.pt"))
    assert found()["weights"].state == "failed"


def test_a_device_that_is_not_there(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFINE_SEGMENTER__DEVICE", "cuda:77")
    assert found()["device"].state == "failed"


def test_nobody_answers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFINE_PLATFORM__HOST", "http://127.0.0.1:9")
    findings = found(1)
    assert failures(findings) == ["Core"]
    assert "REFINE_PLATFORM__HOST" in findings["Core"].advice
    assert {findings[about].state for about in ("PIMS", "account", "y axis", "route")} == {"skipped"}


def test_somebody_else_answers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = ScriptedServer()
    server.answers = {"/server/ping": Answer(200, b"<html>", "text/html"), "/ims/info": Answer(200, {"version": "1"})}
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__HOST", server.url)
        findings = found()
    assert findings["Core"].said.endswith("but not as Core does")
    assert findings["PIMS"].said.endswith("does not answer as PIMS does")
    assert failures(findings) == ["Core", "PIMS"]


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_whose_core_or_pims_is_down(lab: Lab, environment: dict[str, str], status: int) -> None:
    down = Fault("status", "GET", "/server/ping", status=status, content_type="text/html", body=b"<html>Bad Gateway")
    lab.cytomine.faults.add(down)
    findings = found(lab.image)
    assert failures(findings) == ["Core"]
    assert "Core behind it does not" in findings["Core"].said
    assert "Core is down" in findings["Core"].advice
    lab.cytomine.faults.clear()
    lab.cytomine.faults.add(
        Fault("status", "GET", "/ims/info", status=status, content_type="text/html", body=b"<html>")
    )
    lab.cytomine.faults.add(refusal("127.0.0.1"))
    findings = found()
    assert failures(findings) == ["PIMS"]
    assert "PIMS is down" in findings["PIMS"].advice


def test_a_proxy_that_waits_for_a_core_or_pims_that_is_gone() -> None:
    server = ScriptedServer()
    server.answers = {path: Answer(wait_s=60) for path in ("/server/ping", "/ims/info")}
    with server.serving(), httpx.Client(timeout=0.5) as impatient:
        settings = Settings(platform=PlatformSettings(host=server.url))
        visit = core(settings, impatient)
        finding = pims(settings.platform, impatient, 1024)
    assert (visit.host_answers, visit.core_answers) == (True, False)
    assert "Core is down" in visit.findings[0].advice
    assert "PIMS is down" in finding.advice


@pytest.mark.parametrize(("off_s", "state"), [(0, "ok"), (-60, "warning"), (60, "warning"), (4000, "failed")])
def test_clocks(off_s: int, state: str) -> None:
    asked = datetime.now(UTC)
    told = format_datetime(asked + timedelta(seconds=off_s))
    assert clock(Settings(), told, asked, asked + timedelta(seconds=1)).state == state


def test_a_slow_answer_is_no_wrong_clock() -> None:
    asked = datetime.now(UTC)
    for after_s in (0, 30, 60):
        told = format_datetime(asked + timedelta(seconds=after_s))
        assert clock(Settings(), told, asked, asked + timedelta(seconds=60)).said.endswith("are 0 s apart")


def test_cores_clock_is_read_from_its_answer(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=4000))
    server = ScriptedServer()
    server.answers["/server/ping"] = Answer(200, {"version": "5.1.1"}, headers={"Date": date})
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__HOST", server.url)
        assert found()["clocks"].state == "failed"
        server.answers["/server/ping"].headers.clear()
        assert found()["clocks"].state == "skipped"


def test_a_pims_that_gives_only_small_images(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = ScriptedServer()
    server.answers["/ims/info"] = Answer(200, {"version": "1", "settings": {"output_size_limit": 100}})
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__PIMS_URL", f"{server.url}/ims")
        assert found()["PIMS"].state == "failed"


def test_accounts(lab: Lab, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFINE_API__SIGNATURES", "full")
    assert found()["account"].said.endswith("may not look up the keys of users")
    powerful = lab.cytomine.store.add_user("powerful", role=Role.SUPER_ADMIN)
    monkeypatch.setenv("REFINE_PLATFORM__PUBLIC_KEY", powerful.public_key)
    monkeypatch.setenv("REFINE_PLATFORM__PRIVATE_KEY", powerful.private_key)
    assert found()["account"].state == "ok"
    monkeypatch.setenv("REFINE_API__SIGNATURES", "off")
    assert found()["account"].state == "warning"
    monkeypatch.setenv("REFINE_PLATFORM__PRIVATE_KEY", "guessed")
    assert found()["account"].state == "failed"
    monkeypatch.setenv("REFINE_PLATFORM__PUBLIC_KEY", "")
    assert found()["account"].said.startswith("none")


def test_a_core_that_crops_upside_down_is_noticed(lab: Lab, environment: dict[str, str]) -> None:
    """Give Core's crop the pixels of the mirror image, as a wrong origin would."""
    pixels = cv2.imread(str(lab.cytomine.slides / "discs.png"))
    assert found(lab.image)["y axis"].state == "ok"
    mirrored = mirror_of(pixels, cell_of(lab))
    lab.cytomine.faults.add(Fault("status", "GET", "/crop.png", status=200, content_type="image/png", body=mirrored))
    assert found(lab.image)["y axis"].state == "failed"


def cell_of(lab: Lab) -> tuple[int, int, int, int]:
    """Read the shape that the doctor asked Core for."""
    asked = next(seen for seen in reversed(lab.cytomine.faults.requests) if seen.path.endswith("/crop.png"))
    bounds = shapely.from_wkt(parse_qs(asked.query)["geometry"][0]).bounds
    return tuple(int(value) for value in bounds)  # type: ignore[return-value]


def mirror_of(pixels: np.ndarray, cell: tuple[int, int, int, int]) -> bytes:
    """Cut what a Core would give that takes y of annotations from the top."""
    x0, y0, x1, y1 = cell
    return bytes(cv2.imencode(".png", pixels[y0:y1, x0:x1])[1])


def test_images_that_tell_nothing(lab: Lab, environment: dict[str, str]) -> None:
    blank = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    cv2.imwrite(str(lab.cytomine.slides / "blank.png"), blank)
    image = lab.cytomine.store.add_image(lab.project, lab.alice.id, "blank.png", WIDTH, HEIGHT)
    assert found(image)["y axis"].state == "skipped"
    stranger = lab.cytomine.store.add_project("closed")
    lab.cytomine.store.add_member(stranger, lab.alice.id, Mask.WRITE)
    other = lab.cytomine.store.add_image(stranger, lab.alice.id, "blank.png", WIDTH, HEIGHT)
    assert found(other)["y axis"].said.startswith("Core answered 403")
    assert found()["y axis"].state == "skipped"


@pytest.mark.long
@pytest.mark.parametrize(
    ("configuration", "state"),
    [
        ("location ^~ /sam/ {\n proxy_read_timeout 150s;\n}\n", "ok"),
        ("location /sam {\n proxy_pass x;\n}\n", "ok"),
        ("location /sam/ {\n proxy_read_timeout 5;\n}\n", "failed"),
        ("location /sam/ {\n proxy_read_timeout 500ms;\n}\nlocation /x {\n proxy_read_timeout 5m;\n}\n", "failed"),
        ("location /sam/ {\n proxy_read_timeout 5m;\n}\n", "ok"),
        ("location /ims {\n}\n", "failed"),
    ],
)
def test_the_proxys_patience(environment: dict[str, str], tmp_path: Path, configuration: str, state: str) -> None:
    file = tmp_path / "nginx.txt"
    file.write_text(configuration)
    assert found(nginx=file)["proxy timeout"].state == state


@pytest.mark.parametrize(
    ("allowed", "core", "state", "said"),
    [
        ("127.0.0.1", "127.0.0.1", "ok", "nginx lets Core through (127.0.0.1), and nobody else"),
        ("10.9.8.7 127.0.0.1", "127.0.0.1", "ok", "nginx lets Core through (10.9.8.7 127.0.0.1), and nobody else"),
        ("172.20.0.6", "127.0.0.1", "failed", "nginx lets 172.20.0.6 through, but Core is 127.0.0.1"),
        ("nobody", "127.0.0.1", "failed", "nginx lets nobody through"),
        ("172.20.0.6", "no.such.name.invalid", "warning", "is unknown"),
        ("", "127.0.0.1", "warning", "does not say who is let through"),
    ],
)
def test_whether_core_passes_the_proxy(
    lab: Lab, environment: dict[str, str], allowed: str, core: str, state: str, said: str
) -> None:
    lab.cytomine.faults.add(refusal(allowed))
    finding = found(core=core)["route"]
    assert finding.state == state
    assert said in finding.said
    assert bool(finding.advice) == (state != "ok")


def test_an_open_route(lab: Lab, environment: dict[str, str]) -> None:
    lab.cytomine.faults.add(Fault("status", "GET", "/sam/ready", status=200, body=b'{"status": "ready"}'))
    finding = found()["route"]
    assert finding.state == "failed"
    assert "forges the Host header" in finding.advice


def test_without_nginx_there_is_no_route_to_look_at(lab: Lab, environment: dict[str, str]) -> None:
    assert found()["route"].state == "skipped"


def test_a_proxy_without_the_route(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = ScriptedServer()
    server.answers["/server/ping"] = Answer(200, {"version": "5.1.1"})
    server.answers["/sam/ready"] = Answer(404, b"<html>", "text/html", {"Server": "nginx"})
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__HOST", server.url)
        finding = found()["route"]
    assert finding.state == "failed"
    assert "scripts/patch.py" in finding.advice


def test_what_the_y_axis_lacks_is_said(lab: Lab, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--image" in found()["y axis"].said
    monkeypatch.setenv("REFINE_PLATFORM__PUBLIC_KEY", "")
    said = found(lab.image)["y axis"].said
    assert "--image" not in said
    assert "REFINE_PLATFORM__PUBLIC_KEY" in said


def command(*more: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-m", "app", "doctor", "--core", "127.0.0.1", *more]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_never_says_that_nothing_is_wrong_beside_a_warning(environment: dict[str, str]) -> None:
    done = command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 warning."  # the embedded model
    assert "Nothing is wrong" not in done.stdout
    assert environment["REFINE_PLATFORM__PRIVATE_KEY"] not in done.stdout + done.stderr


def test_the_command_fails_where_something_failed(lab: Lab, environment: dict[str, str]) -> None:
    lab.cytomine.faults.add(refusal("172.20.0.6"))
    done = command()
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 failed, 1 warning."
    lab.cytomine.faults.add(refusal("172.20.0.6"))
    done = command("--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["failed"], told["warnings"]) == (1, 1)
    (failed,) = [check for check in told["checks"] if check["state"] == "failed"]
    assert failed["about"] == "route"
    assert failed["said"]
    assert failed["advice"]
