"""Which engine a machine uses: what it measured to be the fastest, kept in a file beside the engines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.segmenter.engines.engine import torch_version
from app.segmenter.engines.names import ENGINES, REFERENCE, SMALLER, EngineName, WholeName, parts_of
from app.segmenter.engines.openvino_engine import why_not

_GATE = 2
"""Counts changes of how engines are judged; what was measured before such a change is measured again."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine, as this machine ran it."""

    engine: str
    """Its name, or that of other weights."""
    encode_s: float | None
    """The quickest of some windows, since whatever else the machine does only slows them; None if it could not run."""
    iou: float | None
    """Of its masks with the reference's, mean."""
    refused: str | None
    outline_px: float | None = None
    """How far its outlines lie from the reference's on average, pixels of a window of 1,024."""
    low_iou: float | None = None
    """The IoU that one mask in twenty stays below."""
    area: float | None = None
    """Mean change of a mask's area, as a share of it."""

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
    found = _quicker(record, whole, most_loss)
    return found if _runs_here(found) else whole


def _fastest(record: dict[str, Any]) -> WholeName:
    recorded = next((engine for engine in ENGINES if engine == record.get("fastest")), None)
    if recorded and _runs_here(recorded):
        return recorded
    others = [each for each in record.get("measured", []) if each.get("refused") is None]
    names = [each.get("engine") for each in sorted(others, key=lambda each: each.get("encode_s") or float("inf"))]
    usual: WholeName = "openvino-float32" if not _runs_here(REFERENCE) and _runs_here("openvino-float32") else REFERENCE
    return next((engine for name in names for engine in ENGINES if engine == name and _runs_here(engine)), usual)


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


def keep(folder: Path, sha256: str, measured: list[Measured]) -> EngineName:
    """Write down which engine was the fastest of those that are fit, and give it."""
    whole = [each for each in measured if each.fit and each.engine in ENGINES]
    chosen = min(whole, key=lambda each: each.encode_s or float("inf"))
    folder.mkdir(parents=True, exist_ok=True)
    known = [asdict(each) for each in measured if each.engine in (*ENGINES, *SMALLER)]
    record = {"fastest": chosen.engine, "measured": known}
    _record(folder, sha256).write_text(json.dumps(record, indent=2) + "\n")
    return next(engine for engine in ENGINES if engine == chosen.engine)


def _read(folder: Path, sha256: str) -> dict[str, Any]:
    """Read the record; an empty one where there is none, or none that makes sense."""
    try:
        record = json.loads(_record(folder, sha256).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _record(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256[:16]}-torch{torch_version()}-gate{_GATE}.json"


def _quicker(record: Mapping[str, Any], chosen: EngineName, most_loss: float) -> EngineName:
    """Give the quickest of a record's engines that lose no more than is allowed, if it beats the chosen one."""
    measured = [each for each in record.get("measured", []) if isinstance(each, dict)]
    limit = next((each.get("encode_s") for each in measured if each.get("engine") == chosen), None)
    best = min(
        (each for each in measured if _allowed(each, most_loss)), key=lambda each: each["encode_s"], default=None
    )
    if best is None or not isinstance(limit, float) or best["encode_s"] >= limit:
        return chosen
    return next(name for name in SMALLER if name == best["engine"])


def _allowed(each: Mapping[str, Any], most_loss: float) -> bool:
    iou, seconds = each.get("iou"), each.get("encode_s")
    known = each.get("engine") in SMALLER and isinstance(iou, float) and isinstance(seconds, float)
    return bool(known and iou is not None and iou >= 1 - most_loss)
