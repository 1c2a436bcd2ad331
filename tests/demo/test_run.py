"""The demo's main job, started as a user starts it, on free ports."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from PIL import Image

from tests.lab import draw_image
from tests.slides import place_drawn_slide

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Find two free ports in a row; gives the first."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = int(first.getsockname()[1])
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except OSError:
                continue


def command(port: int, out: Path, *more: str) -> list[str]:
    """Give the command that `make demo` runs."""
    return [sys.executable, "-m", "demo", "--port", str(port), "--out", str(out), *more]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do the main job once."""
    folder = tmp_path_factory.mktemp("demo")
    place_drawn_slide(folder / "data")
    done = subprocess.run(
        command(free_port(), folder, "--once"), cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_the_outline_follows_the_object(out: Path) -> None:
    result = json.loads((out / "result.json").read_text())
    assert result["changed"]
    assert result["iou_after"] > 0.9 > 0.75 > result["iou_before"]
    assert len(result["points_used"]) == len(result["points_deleted"]) == 2
    outline = shapely.geometry.shape(json.loads((out / "refined.geojson").read_text())["geometry"])
    assert outline.equals(shapely.from_wkt(result["location"]))
    with Image.open(out / "picture.png") as picture:
        assert picture.width == 1024


def test_it_prints_before_and_after_and_every_step(out: Path) -> None:
    printed = (out / "printed.txt").read_text()
    for text in (
        "Area",
        "IoU with the drawn truth",
        "Score",
        "Read the window",
        "Image encoder",
        "Total",
        "picture.png",
    ):
        assert text in printed
    assert "not meant for annotation work" in printed


def test_once_leaves_no_keys(out: Path) -> None:
    assert not (out / "connection.json").exists()


def test_it_serves_until_it_is_stopped(out: Path) -> None:
    """A second start finds the data of the first, draws the sample anew, and serves."""
    port = free_port()
    with (out / "serving.txt").open("w") as printed:
        process = subprocess.Popen(command(port, out), cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT)
    try:
        connection = _connection(out, process)
        assert stat.S_IMODE((out / "connection.json").stat().st_mode) == 0o600
        _use(connection)
        _type_what_is_printed(out / "serving.txt")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not (out / "connection.json").exists()
    for each in (port, port + 1):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", each)) != 0  # nobody is left


def _connection(out: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    for _ in range(600):
        printed = (out / "serving.txt").read_text()
        if "Ctrl-C stops both" in printed:
            found: dict[str, Any] = json.loads((out / "connection.json").read_text())
            return found
        assert process.poll() is None, printed
        time.sleep(0.2)
    raise TimeoutError((out / "serving.txt").read_text())


def _use(connection: dict[str, Any]) -> None:
    """Do with the connection what a script would."""
    from cytomine import Cytomine
    from cytomine.models import Annotation

    secret = {connection["secret_header"]: connection["shared_secret"]}
    base = connection["service_url"] + connection["base_path"]
    before = {}
    for user in (*connection["users"], connection["manager"]):
        keys = (user["public_key"], user["private_key"])
        with Cytomine(connection["core_url"], *keys, use_cache=False, configure_logging=False) as client:
            assert client.current_user.username == user["username"]
            before = {number: Annotation().fetch(number).location for number in connection["annotations"]}
    assert len(connection["users"]) == 2
    assert len(before) >= 8
    number = connection["annotations"][2]
    answer = httpx.post(f"{base}/annotations/{number}/refine", headers=secret, timeout=60, trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["previous_location"] == before[number]
    image = connection["images"][0]
    told = httpx.get(f"{connection['pims_url']}/image/{image['path']}/info", trust_env=False).json()["image"]
    assert (told["width"], told["height"]) == (image["width"], image["height"])


def _type_what_is_printed(printed: Path) -> None:
    """Run the printed curl lines as they are."""
    addresses = printed.read_text().partition("Serving")[2].splitlines()[1:]
    assert addresses[0].split()[0] == "viewer"
    lines = [line.strip() for line in printed.read_text().splitlines() if line.strip().startswith("curl")]
    assert len(lines) == 4
    for line in lines:
        done = subprocess.run(
            line + " -f", shell=True, capture_output=True, timeout=60, cwd=printed.parent, check=False
        )
        assert done.returncode == 0, line
    assert (printed.parent / "window.png").stat().st_size > 1000


def test_a_taken_port_is_said_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command(port, tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr


@pytest.mark.long
def test_a_slide_of_the_user(tmp_path: Path, shared_data: Path) -> None:
    slide = shared_data / "slides" / "CMU-1-Small-Region.svs"
    done = subprocess.run(
        command(free_port(), tmp_path, "--once", "--slide", str(slide)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["changed"]
    assert (result["iou_before"], result["iou_after"]) == (None, None)


@pytest.mark.long
def test_a_slide_whose_name_has_signs(tmp_path: Path) -> None:
    slide = tmp_path / "S1 #2 (50%20 H&E)? ä.png"
    draw_image(slide)
    done = subprocess.run(
        command(free_port(), tmp_path / "out", "--once", "--slide", str(slide)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "picture.png").is_file()


def test_no_slide_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_text("no slide")
    done = subprocess.run(
        command(free_port(), tmp_path / "out", "--once", "--slide", str(tmp_path / "a.svs")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "a.svs" in done.stderr
    assert "Traceback" not in done.stderr
