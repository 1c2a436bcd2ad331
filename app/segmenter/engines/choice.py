"""Which engine a machine uses: what it measured to be the fastest, kept in a file beside the engines."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from app.errors import ServiceError
from app.segmenter.engines.agreement import LEAST_IOU, agreement, drawn_window
from app.segmenter.engines.openvino_encoder import why_not
from app.usecases.ports import Claim, Segmenter

Engine = Literal["torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
REFERENCE: Engine = "torch-float32"
HOPELESS = 4.0
"""Times the reference's: an engine whose first window takes longer is not tried any further. Without instructions for
a type, a machine can take a minute for a window."""
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine, as this machine ran it."""

    engine: Engine
    encode_s: float | None
    """Median of one window; None if it could not run."""
    iou: float | None
    """Of its masks with the reference's."""
    refused: str | None

    @property
    def fit(self) -> bool:
        """Whether it may be used."""
        return self.refused is None


def fastest(folder: Path, sha256: str) -> Engine:
    """Give the engine that was measured to be the fastest for these weights here; without a record, the reference."""
    try:
        record = json.loads(_record(folder, sha256).read_text())
    except (OSError, ValueError):
        return REFERENCE
    recorded = record.get("fastest") if isinstance(record, dict) else None
    chosen = next((engine for engine in ENGINES if engine == recorded), REFERENCE)
    return REFERENCE if chosen.startswith("openvino") and why_not(chosen.partition("-")[2]) else chosen


def has_record(folder: Path, sha256: str) -> bool:
    """Whether these weights were measured here, with the versions that are installed."""
    return _record(folder, sha256).exists()


def measure(load: Callable[[Engine], Segmenter], on_cpu: bool) -> Iterator[Measured]:
    """Run every engine beside the reference, one after the other; the reference comes first.

    Parameters
    ----------
    load : callable
        Gives a segmenter that runs on an engine.
    on_cpu : bool
        OpenVINO is for the CPU only.
    """
    reference = load(REFERENCE)
    reference_s = _time(reference)
    yield Measured(REFERENCE, reference_s, 1.0, None)
    for engine in ENGINES[1:]:
        if engine.startswith("openvino") and not on_cpu:
            yield Measured(engine, None, None, "the model runs on a GPU")
            continue
        try:
            candidate = load(engine)
        except ServiceError as error:
            yield Measured(engine, None, None, error.detail)
            continue
        first_s = time_window(candidate)
        if first_s > HOPELESS * reference_s:
            times = f"{first_s / reference_s:.0f} times"
            yield Measured(engine, first_s, None, f"its first window took {times} as long as the reference's")
            candidate.close()
            continue
        iou = agreement(reference, candidate)
        refused = None if iou >= LEAST_IOU else f"its masks have an IoU of {iou:.4f} with the reference's only"
        yield Measured(engine, _time(candidate), iou, refused)
        candidate.close()
    reference.close()


def keep(folder: Path, sha256: str, measured: list[Measured]) -> Engine:
    """Write down which engine was the fastest of those that are fit, and give it."""
    chosen = min((each for each in measured if each.fit), key=lambda each: each.encode_s or float("inf"))
    folder.mkdir(parents=True, exist_ok=True)
    record = {"fastest": chosen.engine, "measured": [asdict(each) for each in measured]}
    _record(folder, sha256).write_text(json.dumps(record, indent=2) + "\n")
    return chosen.engine


def _record(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256[:16]}-torch{torch.__version__}.json"


def time_window(segmenter: Segmenter) -> float:
    """Measure one window, seconds."""
    image = drawn_window(0, segmenter.input_side_px)
    start = time.perf_counter()
    segmenter.encode(image, Claim())
    return time.perf_counter() - start


def _time(segmenter: Segmenter) -> float:
    """Measure one window, after one to warm up."""
    return statistics.median([time_window(segmenter) for _ in range(_RUNS + 1)][1:])
