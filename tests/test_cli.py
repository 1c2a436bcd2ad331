from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from app import cli
from app.cli.console import stdout
from app.cli.progress import show_progress
from tests.fakes.checkpoint_server import CheckpointServer
from tests.segmenter.pulling import BODY, entry_at

ROOT = Path(__file__).resolve().parents[1]
THESIS_BYTES = 323_637_178
PART_BYTES = 2 * 2**20


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a user who has set nothing but the folder of the checkpoints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REFINE_")}
    kept = {name: value for name, value in kept.items() if not name.upper().endswith("_PROXY")}
    return {**kept, "REFINE_WEIGHTS__FOLDER": str(tmp_path), "NO_COLOR": "1"}


@pytest.fixture
def trying(environment: dict[str, str]) -> dict[str, str]:
    """Give the environment of a user who tries the service out with its demo model."""
    return {**environment, "REFINE_SEGMENTER__DEMO_MODEL": "true", "REFINE_SEGMENTER__MEASURE_ENGINES": "false"}


@pytest.fixture
def mirror() -> Iterator[CheckpointServer]:
    """Give a host that announces the real checkpoint and falls silent after its first megabytes."""
    with CheckpointServer(b"\0" * PART_BYTES, announced_bytes=THESIS_BYTES) as server:
        yield server


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def assert_one_line_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


# --- help and usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("serve", "weights")),
        (("weights",), ("list", "pull", "verify")),
        (("weights", "pull"), ("--mirror", "--proxy", "thesis")),
        (("weights", "verify"), ("--config",)),
        (("serve",), ("--host", "--port")),
        (("refine",), ("--dry-run", "--again", "--geojson")),
        (("undo",), ("report", "--annotation")),
    ],
)
def test_help_names_what_there_is_without_colours(
    environment: dict[str, str], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = run(environment, *arguments, "--help")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    for word in words:
        assert word in done.stdout


def test_the_version_is_the_installed_one(environment: dict[str, str]) -> None:
    done = run(environment, "--version")
    assert (done.returncode, done.stdout) == (0, f"cytomine-refine-service {version('cytomine-refine-service')}\n")


def test_the_script_is_the_same_command_line(environment: dict[str, str], tmp_path: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["refine-service"].partition(":")
    script = tmp_path / "refine-service"
    script.write_text(f"from {module} import {function}\n{function}()\n")

    def said(*command: str) -> str:
        return subprocess.run(
            [sys.executable, *command, "--help"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    as_script, as_module = said(str(script)), said("-m", "app")
    assert "Usage: refine-service " in as_script
    as_script, as_module = (said[said.index("Commands") :] for said in (as_script, as_module))  # one can be completed
    assert as_script == as_module


def test_an_unknown_name_is_a_mistake_in_usage(environment: dict[str, str]) -> None:
    done = run(environment, "weights", "pull", "huge")
    assert done.returncode == 2
    assert "base_plus" in done.stderr


def test_a_misspelt_setting_is_one_line(environment: dict[str, str]) -> None:
    environment["REFINE_WEIGHTS__FOLDR"] = "/srv"
    assert_one_line_error(run(environment, "weights", "list"), "REFINE_WEIGHTS__FOLDR")


# --- weights list


def test_list_shows_every_checkpoint_and_what_would_run(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tiny.pt.part").touch()
    os.truncate(tmp_path / "tiny.pt.part", 156_008_466 // 2)
    done = run(environment, "weights", "list")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    assert rows["thesis"][1:5] == ["-", "323.6", "MB", "sam2.1_hiera_b+"]
    assert rows["tiny"][1:3] == ["50", "%"]
    assert rows["large"][-1] == "Meta"
    assert "Would not start: There are no weights" in done.stdout


def test_list_says_that_the_demo_model_would_run(trying: dict[str, str]) -> None:
    assert "EMBEDDED DEMO MODEL" in run(trying, "weights", "list").stdout


def test_list_says_what_keeps_the_service_from_starting(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "small.pt").write_bytes(b"truncated")
    done = run(environment, "weights", "list")
    assert done.returncode == 0
    assert "wrong size" in done.stdout
    assert "Would not start" in done.stdout


def test_a_script_reads_the_list_as_json(environment: dict[str, str], trying: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "small.pt.part").touch()
    done = run(environment, "weights", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    thesis = listed["checkpoints"][0]
    assert (thesis["name"], thesis["state"], thesis["size_bytes"]) == ("thesis", "-", THESIS_BYTES)
    assert thesis["path"] == str(tmp_path / "thesis.pt")
    assert {each["name"]: each["state"] for each in listed["checkpoints"]}["small"] == "0 %"
    assert listed["would_start_with"] is None
    assert "no weights" in listed["problem"]

    listed = json.loads(run(trying, "weights", "list", "--json").stdout)
    assert listed["problem"] is None
    start = listed["would_start_with"]
    assert start["origin"] == "embedded"
    assert sha256_of(Path(start["path"])) == start["sha256"]


def test_the_folder_on_the_command_line_wins(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").write_bytes(b"truncated")
    done = run(environment, "weights", "list", "--folder", str(tmp_path / "[other]"))
    assert "wrong size" not in done.stdout


# --- weights pull


def test_pull_prints_where_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFINE_WEIGHTS__FOLDER", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with CheckpointServer(BODY) as server:
        entry = entry_at(server.url)  # the real ones are too large to serve here
        monkeypatch.setattr("app.cli.weights.find_name", {"thesis": entry}.get)
        with pytest.raises(SystemExit) as ended:
            cli.app(["weights", "pull"])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path}/thesis.pt\n"
    assert printed.err.splitlines()[-1] == "thesis: 1.5 of 1.5 MB"


@pytest.mark.parametrize(
    ("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_pull_that_is_stopped_keeps_its_part_and_is_continued(
    environment: dict[str, str], tmp_path: Path, mirror: CheckpointServer, stop: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "app", "weights", "pull", "--mirror", mirror.url]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as pulling:
        part = tmp_path / "thesis.pt.part"
        deadline = time.monotonic() + 60
        while not part.exists() or part.stat().st_size < PART_BYTES:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pulling.send_signal(stop)
        said = pulling.communicate(timeout=30)[1]
    assert pulling.returncode == code
    assert "Traceback" not in said
    assert ("next pull resumes from here" in said) == (stop == signal.SIGINT)
    assert part.stat().st_size == PART_BYTES
    assert not (tmp_path / "thesis.pt").exists()

    mirror.status = 503
    again = run({**environment, "REFINE_WEIGHTS__MIRROR": mirror.url}, "weights", "pull", "thesis")
    assert again.returncode == 1
    assert "try again later (503)" in again.stderr
    assert mirror.asked[-1].headers["Range"] == f"bytes={PART_BYTES}-"
    assert mirror.asked[-1].target == "/TVM13/Cytomine-sam/resolve/main/weights.pt"
    assert part.stat().st_size == PART_BYTES


def test_offline_is_one_line_after_the_progress(environment: dict[str, str]) -> None:
    done = run(environment, "weights", "pull", "--mirror", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: Cannot reach 127.0.0.1")


def test_a_bar_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress("thesis", stdout()) as progress:
        progress(500_000, 2_000_000)
        progress(2_000_000, 2_000_000)
    assert "2.0/2.0 MB" in capsys.readouterr().out


# --- weights verify


def test_verify_without_a_target_checks_what_would_run(environment: dict[str, str], trying: dict[str, str]) -> None:
    assert_one_line_error(run(environment, "weights", "verify"), "REFINE_SEGMENTER__DEMO_MODEL")
    done = run(trying, "weights", "verify")
    assert done.returncode == 0, done.stderr
    assert "embedded/model.pt" in done.stdout
    assert "loads strictly with config embedded" in done.stdout


def test_verify_of_a_file_with_the_wrong_config_fails(environment: dict[str, str]) -> None:
    embedded = str(Path(__file__).parents[1] / "app" / "segmenter" / "embedded" / "model.pt")
    assert_one_line_error(run(environment, "weights", "verify", embedded, "--config", "sam2.1_hiera_t"), "does not fit")


def test_verify_says_when_it_cannot_load(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "[mine].pt").write_bytes(b"whatever")
    done = run(environment, "weights", "verify", str(tmp_path / "[mine].pt"))
    assert done.returncode == 0
    assert "[mine].pt: 8 bytes, sha256" in done.stdout
    assert "not one of the published checkpoints" in done.stdout
    assert "was not loaded" in done.stdout


def test_verify_refuses_a_truncated_file_of_a_known_name(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(b"truncated")
    assert_one_line_error(run(environment, "weights", "verify", "thesis"), "has 9 bytes", "weights pull thesis")


def test_verify_of_nothing_is_one_line(environment: dict[str, str]) -> None:
    assert_one_line_error(run(environment, "weights", "verify", "large"), "large.pt", "No such file")


@pytest.mark.parametrize("named", ["{folder}/model.yaml", "../model", "{folder}/mine.pt"])
def test_a_card_cannot_run_code(environment: dict[str, str], tmp_path: Path, named: str) -> None:
    """A config as a file may call anything that can be imported; this one would create a file."""
    mine, made = tmp_path / "mine.pt", tmp_path / "made by the card"
    mine.write_bytes((Path(__file__).parents[1] / "app" / "segmenter" / "embedded" / "model.pt").read_bytes())
    (tmp_path / "model.yaml").write_text(f"model:\n  _target_: numpy.save\n  file: '{made}'\n  arr: 1\n")
    card = {"name": "mine", "config": named.format(folder=tmp_path), "sha256": sha256_of(mine)}
    mine.with_suffix(".json").write_text(json.dumps(card))
    told = (card["config"], "a card may only name")
    assert_one_line_error(run(environment, "weights", "verify", str(mine)), *told)
    assert_one_line_error(run({**environment, "REFINE_SEGMENTER__CHECKPOINT": str(mine)}, "serve"), *told)
    assert not list(tmp_path.glob("made*"))
    assert run(environment, "weights", "verify", str(mine), "--config", "embedded").returncode == 0


def test_an_operator_may_name_a_config_as_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    own = Path(__file__).parents[1] / "app" / "segmenter"
    (tmp_path / "mine.yaml").write_bytes((own / "configs" / "embedded.yaml").read_bytes())
    done = run(
        environment, "weights", "verify", str(own / "embedded" / "model.pt"), "--config", str(tmp_path / "mine.yaml")
    )
    assert done.returncode == 0, done.stderr


# --- serve


def test_serve_refuses_to_start_without_a_secret(environment: dict[str, str]) -> None:
    environment["REFINE_API__BEARER"] = "false"
    assert_one_line_error(run(environment, "serve"), "REFINE_API__SHARED_SECRET")


def test_serve_refuses_to_start_without_weights(environment: dict[str, str]) -> None:
    refused = run(environment, "serve")
    assert_one_line_error(
        refused, "app weights pull", "REFINE_SEGMENTER__DEMO_MODEL=true", "not meant for annotation work"
    )


def test_serve_answers_and_stops_when_told(trying: dict[str, str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    # Callers come with tokens of their own: no key, no secret.
    environment = {**trying, "REFINE_SEGMENTER__DEVICE": "cpu"}
    command = [sys.executable, "-m", "app", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as serving:
        try:
            answer = wait_for(f"http://127.0.0.1:{port}/health", serving)
        finally:
            serving.terminate()
            said = serving.communicate(timeout=60)[1]
    assert answer.status_code == 200
    assert "EMBEDDED DEMO MODEL" in said
    assert serving.returncode in (0, -signal.SIGTERM)


@pytest.mark.long
def test_a_script_reads_the_measured_engines_as_json(trying: dict[str, str], tmp_path: Path) -> None:
    settings = {"REFINE_SEGMENTER__DEVICE": "cpu", "REFINE_SEGMENTER__ENGINE_FOLDER": str(tmp_path / "engines")}
    done = run({**trying, **settings}, "engines", "--no-int8", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    measured = {each["engine"]: each for each in told["measured"]}
    assert measured["torch-float32"]["iou"] == 1.0
    assert measured[told["chosen"]]["refused"] is None
    assert told["setting"] == "auto"


@pytest.mark.parametrize(
    ("listens", "reached"), [("::", "::1"), ("::1", "::1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.3", "127.0.0.3")]
)
def test_health_asks_where_the_service_listens(environment: dict[str, str], listens: str, reached: str) -> None:
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with socket.create_server((reached, 0), family=family) as listener:
        environment |= {"REFINE_API__HOST": listens, "REFINE_API__PORT": str(listener.getsockname()[1])}
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(run, environment, "health")
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            done = asked.result(60)
    assert done.returncode == 0, done.stdout


def test_the_collector_need_not_look_through_what_is_loaded(trying: dict[str, str]) -> None:
    look = """
import gc, uvicorn
from app.cli import app
uvicorn.run = lambda *_, **__: print(gc.get_freeze_count(), len(gc.get_objects()))
app(["serve", "--port", "0"])
"""
    done = subprocess.run([sys.executable, "-c", look], env=trying, capture_output=True, text=True, check=False)
    frozen, left = (int(number) for number in done.stdout.split())
    assert frozen > 50_000
    assert left < 5_000


def wait_for(url: str, serving: subprocess.Popen[str]) -> httpx.Response:
    deadline = time.monotonic() + 60
    while True:
        assert serving.poll() is None, "the service ended"
        assert time.monotonic() < deadline
        try:
            return httpx.get(url, trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.1)
