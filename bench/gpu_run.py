"""One run of ``python -m bench.gpu``: what it works with, and what it has written down so far."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.segmenter.engines.measuring import warmed
from app.segmenter.engines.names import EngineName
from app.segmenter.load import load_segmenter
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.choice import ChosenWeights
from app.settings import SegmenterSettings


@dataclass
class Run:
    """What is asked of one run, and what it has found so far."""

    device: str
    weights: ChosenWeights
    folder: Path
    runs: int
    threads: int
    until: float
    """On the monotonic clock: no section begins later."""
    compiling: bool
    found: dict[str, Any] = field(default_factory=dict)
    _open: dict[EngineName, Sam2Segmenter] = field(default_factory=dict)
    """The one that was asked for last: loading and recording it take seconds, and compiling more."""

    @contextmanager
    def opened(self, engine: EngineName) -> Iterator[Sam2Segmenter]:
        """Load an engine, warm, unless it is the one that was asked for before."""
        if engine not in self._open:
            self.close()
            self._open[engine] = self.load(engine)
            warmed(self._open[engine])
        yield self._open[engine]

    def load(self, engine: EngineName) -> Sam2Segmenter:
        """Load an engine."""
        chosen = {"device": self.device, "engine": engine, "engine_folder": self.folder / "engines", "max_waiting": 999}
        return load_segmenter(SegmenterSettings.model_validate(chosen), self.weights, compiling=self.compiling)

    def close(self) -> None:
        """End the engine that is open, and give its memory back: the next one is charged for its own alone."""
        for segmenter in self._open.values():
            segmenter.close()
        self._open.clear()
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    def answer(self, section: str) -> Any:
        """Give what a section found; None where it failed, or was left out."""
        answer = self.found.get(section, {}).get("answer")
        return None if isinstance(answer, str) else answer

    def section(self, name: str, ask: Callable[[], Any], *, at_any_time: bool = False) -> None:
        """Answer a question, unless the time is over, and write down what is known by now."""
        start = time.monotonic()
        try:
            answer = ask() if at_any_time or start < self.until else "left out: the time was over"
        except Exception as error:  # one that fails costs the others nothing
            answer = f"failed: {type(error).__name__}: {error}"
        self.found[name] = {"seconds": round(time.monotonic() - start, 1), "answer": answer}
        (self.folder / "gpu.json").write_text(json.dumps(self.found, indent=1) + "\n")
        (self.folder / "gpu.md").write_text(page(self.found))


def spread(samples_s: Sequence[float]) -> dict[str, float]:
    """Give median and 95th percentile, milliseconds."""
    p50, p95 = np.percentile(samples_s, (50, 95)) * 1e3
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3), "n": len(samples_s)}


def times(work: Callable[[], object], runs: int) -> list[float]:
    """Give the seconds of each of some calls."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def page(found: dict[str, Any]) -> str:
    """Write what was found for people."""
    parts = ["# What a GPU makes of the model\n"]
    for name, each in found.items():
        parts.append(f"\n## {name} ({each['seconds']} s)\n\n{_shown(each['answer'])}\n")
    return "".join(parts)


def _shown(answer: Any) -> str:
    if isinstance(answer, list) and answer:
        head = list(dict.fromkeys(key for row in answer for key in row))
        lines = [head, ["---"] * len(head), *([str(row.get(key, "")) for key in head] for row in answer)]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    if isinstance(answer, dict):
        return "\n".join(f"* {key}: {value}" for key, value in answer.items())
    return str(answer)
