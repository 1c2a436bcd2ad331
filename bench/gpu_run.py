"""One run of ``python -m bench.gpu``: what it works with, and what it has written down so far."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

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

    @contextmanager
    def opened(self, engine: EngineName) -> Iterator[Sam2Segmenter]:
        """Load an engine, warm."""
        chosen = {"device": self.device, "engine": engine, "engine_folder": self.folder / "engines", "max_waiting": 999}
        settings = SegmenterSettings.model_validate(chosen)
        with closing(load_segmenter(settings, self.weights, compiling=self.compiling)) as segmenter:
            warmed(segmenter)
            yield segmenter

    def section(self, name: str, ask: Callable[[], Any]) -> None:
        """Answer a question, unless the time is over, and write down what is known by now."""
        start = time.monotonic()
        try:
            answer = ask() if start < self.until else "left out: the time was over"
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
