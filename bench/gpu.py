"""``python -m bench.gpu``: what a GPU makes of the model, in one run of a few minutes on a machine that has just come.

It needs torch, the packages of `NEEDS` as wheels, and this checkout: no service, no slide, no network. Every section is
written down as soon as it is there, so a run that is cut short leaves what it has measured.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch

from app.geometry.outlines import outline_of
from app.segmenter.checkpoint import build_model
from app.segmenter.device import is_on_gpu
from app.segmenter.engines.measuring import measure
from app.segmenter.engines.names import ENGINES, EngineName, needs
from app.segmenter.engines.tissue import Example, drawn_examples
from app.segmenter.load import load_segmenter
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.checks import file_sha256
from app.segmenter.weights.choice import EMBEDDED_MODEL, ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import Claim
from bench.gpu_run import Run, spread, times
from bench.machine import commit, machine

NEEDS = (
    "cachetools", "cytomine-refine-service", "httpx", "hydra-core", "numpy", "opencv-python-headless",
    "opentelemetry-api", "pillow", "pydantic", "pydantic-settings", "sam2", "shapely", "torch",
)  # fmt: skip
"""Distributions that are imported, without what they need themselves."""
_BATCHES = (1, 2, 4, 5, 8)
_TOP = 14
"""Operations that the profile names."""


def batches(run: Run, engines: Sequence[EngineName]) -> list[dict[str, Any]]:
    """Measure engines by batches: milliseconds of a batch, windows a second, memory."""
    rows = []
    for name in engines:
        with run.opened(name) as segmenter:
            engine = segmenter._engine
            row: dict[str, Any] = {"engine": name}
            for size in _BATCHES:
                pixels = [each.window.pixels for each in drawn_examples(segmenter.input_side_px, size)]
                engine.encode(pixels)
                median_s = float(np.median(times(partial(engine.encode, pixels), run.runs)))
                row |= {f"{size}, ms": round(median_s * 1e3, 2), f"{size}, windows/s": round(size / median_s, 1)}
            rows.append(row | {"reserved, MB": engine.device_bytes >> 20})
    return rows


def decoding(run: Run, engine: EngineName) -> dict[str, Any]:
    """Measure a click's decode alone, and while many threads encode."""
    with run.opened(engine) as segmenter, ThreadPoolExecutor(run.threads) as pool:
        example = drawn_examples(segmenter.input_side_px, 1)[0]
        embedding, stop = segmenter.encode(example.window, Claim()), Event()
        click = partial(segmenter.decode, embedding, example.prompts[1])
        click()
        alone = spread(times(click, 5 * run.runs))

        def load(user: int) -> None:
            while not stop.is_set():
                segmenter.encode(example.window, Claim(user))

        before = segmenter.load
        busy = [pool.submit(load, user) for user in range(run.threads)]
        try:
            while segmenter.load.batches < before.batches + 3:
                time.sleep(0.001)
            loaded = spread(times(click, 5 * run.runs))
        finally:
            stop.set()
        for each in busy:
            each.result()
    ratio = round(loaded["p95_ms"] / alone["p50_ms"], 2)
    return {"alone": alone, f"beside {run.threads} that encode": loaded, "p95 over p50 alone": ratio}


def whole(run: Run, engine: EngineName) -> dict[str, Any]:
    """Measure a window end to end: to masks on the CPU, and to the outline."""
    with run.opened(engine) as segmenter:
        example = drawn_examples(segmenter.input_side_px, 1)[0]
        shape = example.window.pixels.shape[:2]

        def masks() -> Any:
            return segmenter.decode(segmenter.encode(example.window, Claim()), example.prompts[1])

        found = masks()
        outline = partial(outline_of, found.logits[found.best], example.window.grid, shape)
        return {"to masks": spread(times(masks, run.runs)), "mask to outline": spread(times(outline, run.runs))}


def crowd(run: Run, engine: EngineName) -> dict[str, Any]:
    """Let many ask for whole refines at once, and look at every answer."""
    with run.opened(engine) as segmenter:
        examples = drawn_examples(segmenter.input_side_px)
        asked = [(example, prompts) for example in examples for prompts in example.prompts]

        def answer(at: int) -> np.ndarray[Any, Any]:
            example, prompts = asked[at % len(asked)]
            found = segmenter.decode(segmenter.encode(example.window, Claim(at)), prompts)
            outline_of(found.logits[1], example.window.grid, example.window.pixels.shape[:2])
            return np.asarray(found.logits[1] > 0)

        alone = [answer(at) for at in range(len(asked))]
        count, start = 8 * run.runs, time.perf_counter()
        with ThreadPoolExecutor(run.threads) as pool:
            together = list(pool.map(answer, range(count)))
        seconds, load = time.perf_counter() - start, segmenter.load
    mixed = sum(_differs(mask, alone[at % len(alone)]) for at, mask in enumerate(together))
    rate, batch = round(count / seconds, 1), round(load.windows / load.batches, 2)
    return {"answers": count, "mixed up": mixed, "refines/s": rate, "threads": run.threads, "mean batch": batch}


def _differs(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    union = int((one | other).sum())
    return bool(union and (one & other).sum() / union < 0.9)


def agreement(run: Run) -> list[dict[str, Any]]:
    """Run the gate as `python -m app engines` does."""

    def load(engine: EngineName) -> Sam2Segmenter:
        chosen = {"device": run.device, "engine": engine, "engine_folder": run.folder / "engines"}
        return load_segmenter(SegmenterSettings.model_validate(chosen), run.weights, compiling=run.compiling)

    found = measure(load, not is_on_gpu(run.device))
    return [
        {
            "engine": each.engine,
            "one window, ms": each.encode_s and round(each.encode_s * 1e3, 2),
            "IoU": each.iou,
            "low IoU": each.low_iou,
            "outline off, px": each.outline_px,
            "refused": each.refused,
        }
        for each in found
        if "runs on a" not in (each.refused or "")
    ]


def profile(run: Run, engine: EngineName) -> list[dict[str, Any]]:
    """Tell where the encoder's time goes: the operations that take the most, milliseconds a window."""
    on_gpu = is_on_gpu(run.device)
    kinds = [torch.profiler.ProfilerActivity.CUDA if on_gpu else torch.profiler.ProfilerActivity.CPU]
    with run.opened(engine) as segmenter:
        example: Example = drawn_examples(segmenter.input_side_px, 1)[0]
        with torch.profiler.profile(activities=kinds) as seen:
            for _ in range(run.runs):
                segmenter._engine.encode([example.window.pixels])  # here, since a profile sees its own thread
    kind = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = sorted(seen.key_averages(), key=lambda event: getattr(event, kind), reverse=True)[:_TOP]
    return [
        {"operation": event.key[:90], "ms": round(getattr(event, kind) / 1e3 / run.runs, 3), "calls": event.count}
        for event in events
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, within the time, and say where the page is."""
    asked = _asked(arguments)
    logging.getLogger("app").setLevel(logging.ERROR)
    start = time.monotonic()
    asked.out.mkdir(parents=True, exist_ok=True)
    run = Run(
        asked.device,
        _weights(asked.config, asked.out),
        asked.out,
        asked.runs,
        asked.threads,
        start + asked.seconds,
        asked.compiling,
    )
    there = "a GPU" if is_on_gpu(asked.device) else "a CPU"
    fit: list[EngineName] = [name for name in ENGINES if needs(name) in (None, there) and "openvino" not in name]
    engines: list[EngineName] = [name for name in fit if asked.compiling or not name.startswith("compiled")]
    best: EngineName = "cuda-bfloat16" if "cuda-bfloat16" in engines else engines[0]
    run.section("machine", lambda: {"commit": commit(), **machine(asked.device), "config": asked.config, "by": best})
    run.section("decode alone and under load", lambda: decoding(run, best))
    run.section("a window end to end", lambda: whole(run, best))
    run.section("crowd", lambda: crowd(run, best))
    run.section("engines by batches", lambda: batches(run, engines))
    run.section("where the time goes", lambda: profile(run, best))
    run.section("agreement", lambda: agreement(run))
    print(f"{asked.out / 'gpu.md'}: {time.monotonic() - start:.0f} s")


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", default="sam2.1_hiera_b+", help="model config; the weights are random, except for `embedded`"
    )
    parser.add_argument("--device", default="auto", help="where the model runs: auto, cuda or cpu")
    parser.add_argument("--runs", type=int, default=40, help="how often everything is timed")
    parser.add_argument("--threads", type=int, default=16, help="how many requests at a time")
    parser.add_argument("--seconds", type=float, default=240.0, help="latest start of a section")
    parser.add_argument("--compiling", action="store_true", help="also measure compiled-bfloat16, which takes minutes")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"), help="folder of the page")
    return parser.parse_args(arguments)


def _weights(config: str, folder: Path) -> ChosenWeights:
    if config == "embedded":
        return ChosenWeights("embedded", EMBEDDED_MODEL, config, file_sha256(EMBEDDED_MODEL), "configured")
    file = folder / f"{config}-random.pt"
    if not file.exists():
        torch.manual_seed(0)
        torch.save({"model": build_model(config).state_dict()}, file)
    return ChosenWeights("random", file, config, file_sha256(file), "configured")


if __name__ == "__main__":
    main()
