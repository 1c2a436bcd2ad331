"""The doctor finds what is wrong with an installation, and only that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import cv2
import numpy as np
import pytest
import shapely

from app.doctor import Finding, examine
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


def found(image: int | None = None, nginx: Path | None = None) -> dict[str, Finding]:
    return {finding.about: finding for finding in examine(image, nginx)}


def test_a_sound_installation(lab: Lab, environment: dict[str, str], tmp_path: Path) -> None:
    route = tmp_path / "nginx.txt"
    route.write_text("server {\n location ^~ /sam/ {\n  proxy_read_timeout 150s;\n }\n}\n")
    lab.cytomine.faults.add(
        Fault("status", "GET", "/sam/ready", status=403, content_type="application/problem+json", body=b"{}")
    )
    findings = found(lab.image, route)
    states = {about: finding.state for about, finding in findings.items()}
    assert states.pop("weights") == "warning"  # the embedded model
    assert set(states.values()) == {"ok"}, findings
    assert set(states) == {
        "settings", "device", "Core", "clocks", "PIMS", "account", "y axis", "route", "proxy's patience",
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
    failed = {about for about, finding in findings.items() if finding.state == "failed"}
    assert failed == {"Core", "PIMS", "account", "y axis", "route"}
    assert all(findings[about].advice for about in failed)


def test_somebody_else_answers(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = ScriptedServer()
    server.answers = {"/server/ping": Answer(200, b"<html>", "text/html"), "/ims/info": Answer(200, {"version": "1"})}
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__HOST", server.url)
        findings = found()
    assert findings["Core"].said.endswith("but not as Core does")
    assert findings["PIMS"].said.endswith("does not answer as PIMS does")
    assert findings["account"].state == "failed"
    assert findings["route"].state == "warning"


@pytest.mark.parametrize(("off_s", "state"), [(0, "ok"), (60, "warning"), (4000, "failed")])
def test_clocks(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, off_s: int, state: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off_s))
    server = ScriptedServer()
    server.answers["/server/ping"] = Answer(200, {"version": "5.1.1"}, headers={"Date": date})
    with server.serving():
        monkeypatch.setenv("REFINE_PLATFORM__HOST", server.url)
        assert found()["clocks"].state == state


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
    assert found(nginx=file)["proxy's patience"].state == state


def test_an_open_route_is_a_warning(lab: Lab, environment: dict[str, str]) -> None:
    lab.cytomine.faults.add(Fault("status", "GET", "/sam/ready", status=200, body=b'{"status": "ready"}'))
    assert found()["route"].state == "warning"


def test_the_command_says_what_to_do_and_fails(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "doctor"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing is wrong." in done.stdout
    assert environment["REFINE_PLATFORM__PRIVATE_KEY"] not in done.stdout + done.stderr
