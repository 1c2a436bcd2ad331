"""Measure once, before the first start on a machine, what runs the encoder fastest there (decision 0015).

``python -m app engines`` does it, in a process of its own, so that the memory that tracing takes is given back.
Whatever goes wrong costs a line in the log and nothing else: torch in float32 runs everywhere.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from app.segmenter.device import is_on_gpu
from app.segmenter.engines.choice import fastest, has_record
from app.segmenter.engines.engine import torch_version
from app.segmenter.engines.openvino_engine import why_not
from app.segmenter.weights import ChosenWeights
from app.settings import SegmenterSettings

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "app", "engines", "--no-int8")
"""int8 is for somebody to choose who has looked at its masks on tissue of theirs."""
_BASE_BYTES, _PER_CHECKPOINT_BYTE = 1.0e9, 20.0
MOST_S = 1200.0
"""A machine that needs longer than this is not helped by another engine."""
_FALLBACK = "torch in float32 runs the encoder, and `python -m app engines` measures by hand"


def measure_once(
    settings: SegmenterSettings, weights: ChosenWeights, *, command: Sequence[str] = COMMAND, most_s: float = MOST_S
) -> None:
    """Measure, unless it was done before, is not asked for, or cannot be done; logs what it does, and never fails.

    Parameters
    ----------
    settings : SegmenterSettings
        As the environment has them too: the process that measures reads them there.
    weights : ChosenWeights
        What will be served.
    command : sequence of str
        What measures, and leaves the record.
    most_s : float
        The longest that it may take.
    """
    if not _is_open(settings, weights):
        return
    mark = settings.engine_folder / f"{weights.sha256[:16]}-torch{torch_version()}.begun"
    refusal = _refusal(settings.engine_folder, mark, needed_bytes(weights.path.stat().st_size), free_bytes())
    if refusal:
        log.warning("Which engine is the fastest was not measured: %s; %s.", refusal, _FALLBACK)
        return
    log.warning(
        "First start with these weights here: measuring which engine is the fastest. It takes half a minute for a small"
        " model and some minutes for a large one, and later starts skip it (REFINE_SEGMENTER__MEASURE_ENGINES=false"
        " does, too)."
    )
    start = time.monotonic()
    failure = _run(command, most_s, mark)
    if failure:
        log.warning("Measuring the engines failed: %s; %s.", failure, _FALLBACK)
    else:
        mark.unlink(missing_ok=True)
        chosen = fastest(settings.engine_folder, weights.sha256)
        log.info("Measured in %.0f s: %s is the fastest here.", time.monotonic() - start, chosen)


def needed_bytes(checkpoint_bytes: int) -> int:
    """Estimate the memory that measuring takes, most of it for tracing.

    Peaks of ``python -m app engines`` that were measured (2 cores, torch 2.13, OpenVINO 2026.4): docs/decisions/0015.
    """
    return int(_BASE_BYTES + _PER_CHECKPOINT_BYTE * checkpoint_bytes)


def free_bytes(
    meminfo: Path = Path("/proc/meminfo"),
    limits: Sequence[Path] = (
        Path("/sys/fs/cgroup/memory.max"),
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ),
) -> float:
    """Give the memory that a process may take here: what the machine has, or a container's limit if that is less."""
    found = [float("inf")]
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
        found.append(float(line.split()[1]) * 1024)
    for limit in limits:
        with suppress(OSError, ValueError):  # no such file, or no limit ("max")
            found.append(float(limit.read_text()))
    return min(found)


def _is_open(settings: SegmenterSettings, weights: ChosenWeights) -> bool:
    """Whether there is a question at all: a choice to make, and no answer yet."""
    return (
        settings.engine == "auto"
        and settings.measure_engines
        and not has_record(settings.engine_folder, weights.sha256)
        and (is_on_gpu(settings.device) or why_not("float32") is None)
    )


def _refusal(folder: Path, mark: Path, needed: float, free: float) -> str | None:
    """Tell why it had better not be tried."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return f"{folder} (REFINE_SEGMENTER__ENGINE_FOLDER) cannot be written"
    if mark.exists():
        return f"an earlier start began to measure and did not finish (delete {mark} to try again)"
    if free < needed:
        return f"it would take about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
    return None


def _run(command: Sequence[str], most_s: float, mark: Path) -> str | None:
    """Run the command; gives why it failed.

    The mark stays behind where the command fails, or takes this process down with it: a container that is started
    again and again must not measure again and again. Who stops the service meanwhile leaves no mark.
    """
    try:
        mark.touch(exist_ok=False)
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603  our own
    except OSError as error:
        return str(error)
    with child, _stopped_by_sigterm():
        _offer_to_the_oom_killer(child.pid)
        try:
            said = child.communicate(timeout=most_s)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            return f"it took longer than {most_s:.0f} s"
        except BaseException:
            child.kill()
            mark.unlink(missing_ok=True)
            raise
    if child.returncode < 0:
        return f"its process was ended by signal {-child.returncode}, which often means that memory ran out"
    if child.returncode:
        return (said.strip().splitlines() or [f"it ended with {child.returncode}"])[-1].rstrip(".")
    return None


def _offer_to_the_oom_killer(pid: int) -> None:
    """Let the process that measures go first where memory ends, before anything that serves."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as an exception, which can end the other one first."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
