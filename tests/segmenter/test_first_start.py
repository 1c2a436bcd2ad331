"""The first start measures once; whatever stands in the way costs a line in the log and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from app.segmenter.engines import first_start
from app.segmenter.engines.choice import fastest, has_record
from app.segmenter.engines.first_start import free_bytes, measure_once, needed_bytes
from app.segmenter.engines.names import ENGINES
from app.segmenter.engines.openvino_engine import why_not
from app.segmenter.weights import ChosenWeights, choose
from app.settings import SegmenterSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
NEVER = (sys.executable, "-c", "raise SystemExit('this must not run')")
needs_openvino = pytest.mark.skipif(why_not("float32") is not None, reason=str(why_not("float32")))


@pytest.fixture(scope="module")
def weights() -> ChosenWeights:
    return choose(Settings())


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not hang on what else runs on this machine."""
    monkeypatch.setattr(first_start, "free_bytes", lambda: 64e9)


def settings(folder: Path, **others: object) -> SegmenterSettings:
    return SegmenterSettings.model_validate({"device": "cpu", "engine_folder": folder, **others})


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@pytest.mark.long
@needs_openvino
@pytest.mark.timeout(900)
def test_the_first_start_measures_and_the_second_does_not(tmp_path: Path, weights: ChosenWeights) -> None:
    """The real service with the real embedded model, twice."""
    engines = tmp_path / "engines"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REFINE_")},
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "REFINE_SEGMENTER__DEMO_MODEL": "true",
        "REFINE_SEGMENTER__ENGINE_FOLDER": str(engines),
        "REFINE_WEIGHTS__FOLDER": str(tmp_path),
    }
    first = started_and_stopped(environment, port)
    assert "measuring which engine" in first
    assert "is the fastest here" in first
    assert has_record(engines, weights.sha256)
    chosen = fastest(engines, weights.sha256)
    assert chosen in ENGINES
    assert f"Runs on cpu ({chosen.replace('-', ', ')})" in first
    assert not list(engines.glob("*.begun"))
    second = started_and_stopped(environment, port)
    assert "easur" not in second
    assert f"Runs on cpu ({chosen.replace('-', ', ')})" in second


def started_and_stopped(environment: dict[str, str], port: int) -> str:
    """Serve until the service answers; gives its log."""
    command = [sys.executable, "-m", "app", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as serving:
        give_up = time.monotonic() + 400
        try:
            while True:
                assert serving.poll() is None
                assert time.monotonic() < give_up
                try:
                    httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).raise_for_status()
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
        finally:
            serving.terminate()
            said = serving.communicate(timeout=60)[1]
    return said


@needs_openvino
@pytest.mark.parametrize("others", [{"measure_engines": False}, {"engine": "torch-float32"}])
def test_it_is_not_measured_where_nobody_asked(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture, others: dict[str, object]
) -> None:
    measure_once(settings(tmp_path / "engines", **others), weights, command=NEVER)
    assert not caplog.records
    assert not (tmp_path / "engines").exists()


def test_without_openvino_there_is_no_choice(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "why_not", lambda _: "not installed")
    measure_once(settings(tmp_path), weights, command=NEVER)
    assert not caplog.records


@needs_openvino
def test_too_little_memory_is_told(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "free_bytes", lambda: 0.5e9)
    measure_once(settings(tmp_path), weights, command=NEVER)
    assert "0.5 GB are free; torch in float32" in caplog.text
    assert not list(tmp_path.iterdir())


@needs_openvino
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    measure_once(settings(tmp_path / "file" / "engines"), weights, command=NEVER)
    assert "REFINE_SEGMENTER__ENGINE_FOLDER) cannot be written" in caplog.text


@needs_openvino
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('error: the folder is full.')", "failed: error: the folder is full; torch in float32"),
        ("raise SystemExit(3)", "failed: it ended with 3;"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("import time; time.sleep(60)", "longer than 2 s"),
    ],
)
def test_what_failed_is_told_and_not_tried_again(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture, code: str, said: str
) -> None:
    measure_once(settings(tmp_path), weights, command=python(code), most_s=2)
    assert said in caplog.text
    caplog.clear()
    measure_once(settings(tmp_path), weights, command=NEVER)
    assert "an earlier start began to" in caplog.text
    (mark,) = tmp_path.iterdir()
    assert str(mark) in caplog.text


@needs_openvino
def test_a_command_that_is_not_there_is_told(
    tmp_path: Path, weights: ChosenWeights, caplog: pytest.LogCaptureFixture
) -> None:
    measure_once(settings(tmp_path), weights, command=(str(tmp_path / "nothing"),))
    assert "No such file" in caplog.text


@needs_openvino
def test_whoever_stops_the_service_stops_the_measurement_and_may_start_it_again(
    tmp_path: Path, weights: ChosenWeights
) -> None:
    child = tmp_path / "child"
    code = f"import os, time; open({str(child)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def stop() -> None:
        while not (child.exists() and child.read_text()):  # before that, it would end the tests
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        measure_once(settings(tmp_path / "engines"), weights, command=python(code))
    stopper.join()
    assert signal.getsignal(signal.SIGTERM) == before
    assert not list((tmp_path / "engines").iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int(child.read_text()), 0)


def test_the_least_of_machine_and_container_is_free(tmp_path: Path) -> None:
    meminfo, limit, none = tmp_path / "meminfo", tmp_path / "memory.max", tmp_path / "none"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    limit.write_text("4000000000\n")
    assert free_bytes(meminfo, [limit, none]) == 4e9
    assert free_bytes(meminfo, [none]) == 8e6 * 1024
    limit.write_text("max\n")
    assert free_bytes(meminfo, [limit]) == 8e6 * 1024
    meminfo.write_text("nothing of the kind\n")
    assert free_bytes(meminfo, [limit]) == float("inf")
    assert free_bytes() > 0


def test_the_estimate_covers_what_was_measured() -> None:
    """Peaks of decision 0015."""
    for checkpoint_mb, peak_gb in ((7, 0.94), (324, 6.67)):
        assert peak_gb <= needed_bytes(checkpoint_mb * 10**6) / 1e9 <= 1.6 * peak_gb + 0.5
