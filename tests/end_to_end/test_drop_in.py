"""The way a stock deployment of 2026 starts the service: its command, its environment, no credentials."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.test_crops import crop_of, outline
from tests.lab import BOX, DISC, HEIGHT, WIDTH, Lab, free_port

ROOT = Path(__file__).resolve().parents[2]
STOCK = {"API_BASE_PATH": "/sam", "WEIGHTS_PATH": "/app/weights"}


@pytest.fixture(scope="module")
def stock_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REFINE_")}
    environment = {**ours, **STOCK, "REFINE_SEGMENTER__DEMO_MODEL": "true"}
    command = [
        Path(sys.executable).with_name("fastapi"),
        "run",
        "app/main.py",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (tmp_path_factory.mktemp("stock") / "log").open("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                assert process.poll() is None, log.seek(0) or log.read()
                try:
                    if httpx.get(f"{url}/sam/ready", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def test_without_weights_it_refuses_with_one_line_and_two_ways_out(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REFINE_")}
    environment = {**ours, **STOCK, "REFINE_WEIGHTS__FOLDER": str(tmp_path)}
    command = [Path(sys.executable).with_name("fastapi"), "run", "app/main.py", "--port", str(free_port())]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "app weights pull" in done.stderr
    assert "REFINE_SEGMENTER__DEMO_MODEL=true" in done.stderr


def test_the_probe_and_the_crop_work_without_credentials(lab: Lab, stock_url: str) -> None:
    assert httpx.get(f"{stock_url}/", trust_env=False).json()["status"] == "healthy"
    answer = httpx.post(
        f"{stock_url}/sam/annotations/refine",
        files={"annotation_crop": ("7.jpg", crop_of(lab, BOX.wkt), "image/jpeg")},
        data={"image_width": str(WIDTH), "image_height": str(HEIGHT), "location": BOX.wkt},
        timeout=60,
        trust_env=False,
    )
    found = outline(answer)
    assert found.intersection(DISC).area / found.union(DISC).area > 0.85


def test_only_crops_are_open(lab: Lab, stock_url: str) -> None:
    answer = replace(lab, service_url=stock_url).refine(lab.draw(BOX))
    assert answer.status_code == 401


@pytest.mark.long
def test_the_health_command_of_the_image(stock_url: str) -> None:
    command = [sys.executable, "-m", "app", "health", "--port"]
    for port, code in ((stock_url.rpartition(":")[2], 0), (str(free_port()), 1)):
        assert subprocess.run([*command, port], cwd=ROOT, capture_output=True, timeout=60).returncode == code


def test_the_application_has_one_lazy_name() -> None:
    import app.main

    assert "app" in dir(app.main)
    with pytest.raises(AttributeError):
        _ = app.main.nothing
