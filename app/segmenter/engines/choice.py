"""Which engine a machine uses: what it measured to be the fastest, kept in a file beside the engines."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from app.errors import ServiceError
from app.geometry.windows import WindowImage
from app.segmenter.engines.agreement import LEAST_INT8_IOU, LEAST_IOU, agreement, drawn_window
from app.segmenter.engines.engine import torch_version
from app.segmenter.engines.openvino_engine import why_not
from app.usecases.ports import Claim, Segmenter

WholeName = Literal[
    "torch-float32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16", "openvino-int8", "cuda-bfloat16"
]
SmallerName = Literal[
    "torch-float32-896", "torch-float32-768", "openvino-float32-896", "openvino-float32-768", "cuda-bfloat16-896",
    "cuda-bfloat16-768",
]  # fmt: skip
"""Of engines whose encoder sees a square of so many pixels, where it would see 1,024, and as much less where it would
see another one."""
EngineName = WholeName | SmallerName
ENGINES: tuple[WholeName, ...] = get_args(WholeName)
SMALLER: tuple[SmallerName, ...] = get_args(SmallerName)
REFERENCE: WholeName = "torch-float32"
INT8: WholeName = "openvino-int8"
HOPELESS = 4.0
"""Times the reference's: an engine whose first window takes longer is not tried any further. Without instructions for
a type, a machine can take a minute for a window."""
_RUNS = 4
_DRAWN = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine, as this machine ran it."""

    engine: EngineName
    encode_s: float | None
    """The quickest of some windows, since whatever else the machine does only slows them; None if it could not run."""
    iou: float | None
    """Of its masks with the reference's."""
    refused: str | None
    outline_px: float | None = None
    """How far its outlines lie from the reference's on average, pixels of a window of 1,024; of smaller ones alone."""

    @property
    def fit(self) -> bool:
        """Whether it may be used."""
        return self.refused is None


def fastest(folder: Path, sha256: str, most_loss: float = 0.0) -> EngineName:
    """Give the engine that was measured to be the fastest of those that run here; without a record, the reference.

    Engines that see less count only if a loss is allowed and they lose no more.

    What was measured with torch may be served without it, by an image that lacks it; then OpenVINO in float32, the
    same arithmetic, takes the reference's place, however slow it was.
    """
    record = _read(folder, sha256)
    whole = _fastest(record)
    if not most_loss:
        return whole
    from app.segmenter.engines.smaller import quicker

    found = quicker(record, whole, most_loss)
    return found if _runs_here(found) else whole


def _fastest(record: dict[str, Any]) -> WholeName:
    recorded = next((engine for engine in ENGINES if engine == record.get("fastest")), None)
    if recorded and _runs_here(recorded):
        return recorded
    others = [each for each in record.get("measured", []) if each.get("refused") is None]
    names = [each.get("engine") for each in sorted(others, key=lambda each: each.get("encode_s") or float("inf"))]
    usual: WholeName = "openvino-float32" if not _runs_here(REFERENCE) and _runs_here("openvino-float32") else REFERENCE
    return next((engine for name in names for engine in ENGINES if engine == name and _runs_here(engine)), usual)


def parts_of(engine: EngineName) -> tuple[str, str, str]:
    """Split an engine's name: what computes, how precisely, and the side of a smaller square, or nothing."""
    kind, precision, *side = engine.split("-")
    return kind, precision, "".join(side)


def _runs_here(engine: EngineName) -> bool:
    kind, precision, _ = parts_of(engine)
    return why_not(precision) is None if kind == "openvino" else find_spec("torch") is not None


def has_record(folder: Path, sha256: str) -> bool:
    """Whether these weights were measured here, with the versions that are installed."""
    return _record(folder, sha256).exists()


def why_refused(folder: Path, sha256: str, name: EngineName) -> str | None:
    """Tell why an engine must not run for these weights here, or None if it was measured and found fit."""
    found = _measured_here(folder, sha256, name)
    if found is None:
        return "it was not measured here (`python -m app engines` does it)"
    reason: str | None = found.get("refused")
    return reason


def seconds_of_a_window(folder: Path, sha256: str, name: EngineName) -> float | None:
    """Tell how long an engine took for one window of these weights here, or None if it was not measured."""
    seconds = (_measured_here(folder, sha256, name) or {}).get("encode_s")
    return seconds if isinstance(seconds, float) else None


def _measured_here(folder: Path, sha256: str, name: EngineName) -> dict[str, Any] | None:
    measured = _read(folder, sha256).get("measured", [])
    return next((each for each in measured if each.get("engine") == name), None)


def measure(
    load: Callable[[EngineName], Segmenter], on_cpu: bool, held_out: Sequence[WindowImage] = ()
) -> Iterator[Measured]:
    """Run every engine beside the reference, one after the other; the reference comes first.

    Parameters
    ----------
    load : callable
        Gives a segmenter that runs on an engine.
    on_cpu : bool
        OpenVINO is for the CPU only, and what is recorded for the GPU only.
    held_out : sequence of WindowImage
        Windows on which int8 is checked: others than those it was made from.
    """
    reference = load(REFERENCE)
    reference_s = _time(reference)
    yield Measured(REFERENCE, reference_s, 1.0, None)
    for engine in ENGINES[1:]:
        if engine.startswith("cuda" if on_cpu else "openvino"):
            yield Measured(engine, None, None, f"the model runs on a {'CPU' if on_cpu else 'GPU'}")
            continue
        try:
            with closing(load(engine)) as candidate:
                yield _measured(engine, candidate, reference, reference_s, held_out)
        except ServiceError as error:
            yield Measured(engine, None, None, error.detail)
        except Exception as error:  # a driver or an operator that fails here must not keep the others from being used
            yield Measured(engine, None, None, f"it failed: {type(error).__name__}: {error}")
    reference.close()


def _measured(
    engine: EngineName, candidate: Segmenter, reference: Segmenter, reference_s: float, held_out: Sequence[WindowImage]
) -> Measured:
    first_s = time_window(candidate)
    if first_s > HOPELESS * reference_s:
        times = f"{first_s / reference_s:.0f} times"
        return Measured(engine, first_s, None, f"its first window took {times} as long as the reference's")
    iou, least = _agreement(engine, reference, candidate, held_out)
    refused = None if iou >= least else f"its masks have an IoU of {iou:.4f} with the reference's, not {least}"
    return Measured(engine, _time(candidate), iou, refused)


def _agreement(
    engine: EngineName, reference: Segmenter, candidate: Segmenter, held_out: Sequence[WindowImage]
) -> tuple[float, float]:
    """Give how well an engine agrees with the reference, and how well it must."""
    if engine == INT8:
        return statistics.fmean(agreement(reference, candidate, held_out)), LEAST_INT8_IOU
    drawn = [drawn_window(seed, reference.input_side_px) for seed in range(_DRAWN)]
    return min(agreement(reference, candidate, drawn)), LEAST_IOU


def keep(folder: Path, sha256: str, measured: list[Measured]) -> EngineName:
    """Write down which engine was the fastest of those that are fit, and give it."""
    whole = [each for each in measured if each.fit and each.engine in ENGINES]
    chosen = min(whole, key=lambda each: each.encode_s or float("inf"))
    folder.mkdir(parents=True, exist_ok=True)
    record = {"fastest": chosen.engine, "measured": [asdict(each) for each in measured]}
    _record(folder, sha256).write_text(json.dumps(record, indent=2) + "\n")
    return chosen.engine


def _read(folder: Path, sha256: str) -> dict[str, Any]:
    """Read the record; an empty one where there is none, or none that makes sense."""
    try:
        record = json.loads(_record(folder, sha256).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _record(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256[:16]}-torch{torch_version()}.json"


def time_window(segmenter: Segmenter) -> float:
    """Measure one window, seconds."""
    image = drawn_window(0, segmenter.input_side_px)
    start = time.perf_counter()
    segmenter.encode(image, Claim())
    return time.perf_counter() - start


def _time(segmenter: Segmenter) -> float:
    """Measure one window, after one to warm up."""
    return min([time_window(segmenter) for _ in range(_RUNS + 1)][1:])
