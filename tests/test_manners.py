"""Typical mistakes, each answered with one line that says what to do next and with the exit code of the docs."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.scripted_server import Answer, ScriptedServer

ROOT = Path(__file__).resolve().parents[1]
FAILED, WRONG = 1, 2
CLOSED = "http://127.0.0.1:9"
KEYS = {"CYTOMINE_PUBLIC_KEY": "a", "CYTOMINE_PRIVATE_KEY": "b", "CYTOMINE_HOST": CLOSED}
DEMO_MODEL = {"REFINE_SEGMENTER__DEMO_MODEL": "true", "REFINE_SEGMENTER__MEASURE_ENGINES": "false"}


def command(words: str, folder: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    """Give a command's words, and the environment of a user who has set what is named and nothing else."""
    ours = ("REFINE_", "CYTOMINE_", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{ROOT}{os.pathsep}{ROOT / 'client'}"
    program, *others = words.format(folder=folder).split()
    start = {"refine": ["-m", "cytomine_refine"]}.get(program)
    start = start or ([str(ROOT / program)] if program.endswith(".py") else ["-m", program])
    return [sys.executable, *start, *others], {**kept, "PYTHONPATH": path, "NO_COLOR": "1", **variables}


def run(words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "here").mkdir(exist_ok=True)
    typed, environment = command(words, folder, **variables)
    return subprocess.run(
        typed, env=environment, cwd=folder / "here", capture_output=True, text=True, check=False, timeout=120
    )


def one_line(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert re.match(r"error: |Cannot ", line)
    assert "Errno" not in line
    return line


MISTAKES = [
    # nobody listens there
    ("refine project 3 --dry-run", KEYS, FAILED, f"{CLOSED} cannot be reached: Connection refused. Check the address"),
    ("refine annotation 7 --service http://127.0.0.1:9/sam", KEYS, FAILED, "cannot be reached"),
    ("refine propose 5", KEYS, FAILED, "cannot be reached: Connection refused. Check the address"),
    ("app health --port 9", {}, FAILED, "is the service running there?"),
    ("training export cytomine 3 --out data", KEYS, FAILED, "check --host (CYTOMINE_HOST)"),
    # keys and addresses
    ("refine project 3", {"CYTOMINE_HOST": CLOSED}, WRONG, "Set CYTOMINE_PUBLIC_KEY and CYTOMINE_PRIVATE_KEY"),
    ("refine project 3 --host localhost", KEYS, WRONG, "'localhost' is not a base URL"),
    ("training export cytomine 3 --out data", {}, WRONG, "'CYTOMINE_HOST' or 'REFINE_PLATFORM__HOST'"),
    ("training learn --project 3 --reference x", {}, WRONG, "'CYTOMINE_HOST' or 'REFINE_PLATFORM__HOST'"),
    ("refine project 3", {**KEYS, "CYTOMINE_SIGNATURE": "long"}, WRONG, "'full', 'short'"),
    # words
    ("refine projct 3", KEYS, WRONG, "Did you mean 'project'? Try: python -m cytomine_refine --help"),
    ("refine project three", KEYS, WRONG, "'PROJECT'"),
    ("refine project 3 --dryrun", KEYS, WRONG, "--dry-run"),
    ("refine project 3 --jobs 99", KEYS, WRONG, "--jobs"),
    ("app serve --port 99999", {}, WRONG, "--port"),
    ("app weights pull huge", {}, WRONG, "base_plus"),
    ("demo --port 99999", {}, WRONG, "--port"),
    ("bench --only nonsense", {}, WRONG, "choose from encode, steps"),
    # files that are not there
    ("refine undo nothing.csv", KEYS, WRONG, "'nothing.csv' does not exist"),
    ("app replay nothing", {}, WRONG, "'nothing' does not exist"),
    ("app weights use nothing.pt", {}, FAILED, "nothing.pt"),
    ("training train --data nothing --out out", {}, WRONG, "There is no folder nothing"),
    ("training export coco nothing --out data", {}, FAILED, "There is no file nothing."),
    ("training export tiles nothing --out data", {}, FAILED, "no NAME.mask.png"),
    ("training package --run nothing --out out", {}, FAILED, "train with `python -m training train --out nothing`"),
    ("demo --slide nothing", {}, WRONG, "'nothing' does not exist"),
    ("scripts/patch.py nothing {folder}", {}, WRONG, "it has no patch.toml"),
    ("scripts/patch.py nginx nothing", {}, WRONG, "it has no patch.toml"),  # from elsewhere it is not there
    (f"scripts/patch.py {ROOT / 'nginx'} nothing", {}, WRONG, "There is no folder nothing"),
    ("scripts/join.py nothing {folder}", {}, WRONG, "nothing cannot be read (No such file or directory)"),
    ("scripts/check_coverage.py nothing", {}, WRONG, "make test-all writes one"),
    # folders that cannot be written: a file stands in the way
    ("refine project 3 --report {folder}/file/r.csv", KEYS, FAILED, "--report -"),
    ("refine project 3 --geojson {folder}/file/o.geojson", KEYS, FAILED, "choose another path"),
    ("app weights pull --folder {folder}/file/w", {}, FAILED, "Cannot write"),
    ("demo --once --out {folder}/file/out", {}, FAILED, "choose another folder with --out"),
    ("bench --out {folder}/file/out", {}, FAILED, "choose another --out"),
    # settings
    ("app health", {"REFINE_API__PORT": "abc"}, FAILED, "REFINE_API__PORT"),
    ("app serve", {**DEMO_MODEL, "REFINE_SEGMENTER__DEVICE": "cuda:7"}, FAILED, "REFINE_SEGMENTER__DEVICE is cuda:7"),
    ("app serve", {}, FAILED, "app weights pull"),
]  # fmt: skip


def with_torch(words: str) -> bool:
    """Tell whether a program imports torch before it sees the mistake, which takes seconds."""
    return words.split()[0] in {"training", "bench", "demo"}


@pytest.mark.parametrize(
    ("words", "variables", "status", "told"),
    [pytest.param(*each, id=each[0], marks=[pytest.mark.long] if with_torch(each[0]) else []) for each in MISTAKES],
)
def test_a_mistake_is_one_line(words: str, variables: dict[str, str], status: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert told in one_line(run(words, tmp_path, **variables), status)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("program", ["app serve --host 127.0.0.1", "demo --once --out {folder}/out"])
def test_a_port_that_is_taken_is_said_before_anything_is_loaded(program: str, taken: int, tmp_path: Path) -> None:
    done = run(f"{program} --port {taken}", tmp_path, **DEMO_MODEL)
    assert re.search(rf"{taken}.* --port", one_line(done, FAILED))


def test_bad_keys_are_answered_with_what_to_look_at(tmp_path: Path) -> None:
    with ScriptedServer().serving() as server:
        server.answers["/api/annotation.json"] = Answer(401, b"<html>", "text/html")
        line = one_line(run("refine project 3", tmp_path, **{**KEYS, "CYTOMINE_HOST": server.url}), FAILED)
    assert "your account page shows yours" in line
    assert "2026" in line  # and its other signature


def test_an_unknown_id_fails_alone(tmp_path: Path) -> None:
    with ScriptedServer().serving() as server:
        server.answers["/api/annotation/7.json"] = Answer(404, {"errors": "Annotation not found with id 7"})
        done = run("refine annotation 7 --report -", tmp_path, **{**KEYS, "CYTOMINE_HOST": server.url})
    assert done.returncode == 3
    assert "7: 404 Not Found: Annotation not found with id 7" in done.stderr


def test_ctrl_c_is_no_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        typed, environment = command("refine propose 5", tmp_path, **{**KEYS, "CYTOMINE_HOST": host})
        with subprocess.Popen(typed, env=environment, stderr=subprocess.PIPE, text=True) as running:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)  # it has asked, and waits
                running.send_signal(signal.SIGINT)
                said = running.communicate(timeout=60)[1]
    assert (running.returncode, said) == (130, "Stopped; nothing was stored.\n")


def test_the_exit_codes_are_those_of_the_page() -> None:
    from app.cli import console as of_the_service
    from cytomine_refine.cli import console

    page = (ROOT / "docs" / "commands.md").read_text().partition("## Exit codes")[2]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert documented == {0, console.FAILED, WRONG, console.PARTLY, console.INTERRUPTED}
    assert (of_the_service.FAILED, of_the_service.INTERRUPTED) == (console.FAILED, console.INTERRUPTED)
