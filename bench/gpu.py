"""``python -m bench.gpu``: what a GPU makes of the model, in one run of a few minutes on a machine that has just come.

It needs torch, the packages of `NEEDS` as wheels, and this checkout: no service, no slide, no network. Every section is
written down as soon as it is there, so a run that is cut short leaves what it has measured.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
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
from app.segmenter.device import is_on_gpu, resolve_device
from app.segmenter.engines.measuring import measure
from app.segmenter.engines.names import ENGINES, EngineName, needs
from app.segmenter.engines.tissue import Example, drawn_examples
from app.segmenter.weights.checks import file_sha256
from app.segmenter.weights.choice import EMBEDDED_MODEL, ChosenWeights
from app.usecases.ports import Claim
from bench.gpu_run import Run, spread, times
from bench.machine import commit, machine

NEEDS = (
    "cachetools", "cytomine-refine-service", "httpx", "hydra-core", "numpy", "opencv-python-headless",
    "opentelemetry-api", "pillow", "pydantic", "pydantic-settings", "sam2", "shapely", "torch",
)  # fmt: skip
"""Distributions that are imported, without what they need themselves."""
_BATCHES = (1, 2, 4, 5, 8)
_MIXED_UP = 0.9
"""A mask with a lower IoU with the one of the same question, asked alone, is somebody else's."""
_TOP = 14
"""Operations that the profile names."""


def start(run: Run, engine: EngineName, config: str) -> dict[str, float]:
    """Measure a start in a process of its own, with all on the disk that earlier ones left: seconds of steps."""
    asked = ["--config", config, "--device", run.device, "--out", str(run.folder), "--start", engine]
    begun = time.time()
    done = subprocess.run(  # noqa: S603  our own
        [sys.executable, "-m", "bench.gpu", *asked], capture_output=True, text=True, check=True, timeout=300
    )
    steps: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    ends = [begun, *steps.values()]
    each = {name: round(end - before, 2) for name, before, end in zip(steps, ends, ends[1:], strict=False)}
    return {**each, "ready after, s": round(ends[-1] - begun, 2)}


def _start(run: Run, engine: EngineName, imported: float) -> dict[str, float]:
    """Start as the service does, and tell when each step was over."""
    segmenter = run.load(engine)
    loaded = time.time()
    segmenter.warm_up()
    return {"imports, s": imported, "weights, recording, s": loaded, "first window, s": time.time()}


def batches(run: Run, engines: Sequence[EngineName]) -> list[dict[str, Any]]:
    """Measure engines by batches: milliseconds of a batch, windows a second, memory."""
    return [_by_batches(run, name) for name in engines]


def _by_batches(run: Run, name: EngineName) -> dict[str, Any]:
    row: dict[str, Any] = {"engine": name}
    with run.opened(name) as segmenter:
        engine = segmenter._engine
        for size in _BATCHES:
            pixels = [each.window.pixels for each in drawn_examples(segmenter.input_side_px, size)]
            engine.encode(pixels)
            median_s = float(np.median(times(partial(engine.encode, pixels), run.runs)))
            row |= {f"{size}, ms": round(median_s * 1e3, 2), f"{size}, windows/s": round(size / median_s, 1)}
        return row | {"reserved, MB": engine.device_bytes >> 20}


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
    """Let many ask for whole refines at once, without outlines and with them, and look at every answer."""
    with run.opened(engine) as segmenter:
        examples = drawn_examples(segmenter.input_side_px)
        asked = [(example, prompts) for example in examples for prompts in example.prompts]

        def answer(at: int, *, outlined: bool = False) -> np.ndarray[Any, Any]:
            example, prompts = asked[at % len(asked)]
            found = segmenter.decode(segmenter.encode(example.window, Claim(at)), prompts)
            if outlined:
                outline_of(found.logits[1], example.window.grid, example.window.pixels.shape[:2])
            return np.asarray(found.logits[1] > 0)

        alone = [answer(at) for at in range(len(asked))]
        count, rates, ious, before = 25 * run.runs, [], [], segmenter.load
        for outlined in (False, True):
            began = time.perf_counter()
            with ThreadPoolExecutor(run.threads) as pool:
                together = list(pool.map(partial(answer, outlined=outlined), range(count)))
            rates.append(round(count / (time.perf_counter() - began), 1))
            ious += [_iou(mask, alone[at % len(alone)]) for at, mask in enumerate(together)]
        load = segmenter.load
    return {
        "answers": len(ious),
        "mixed up": sum(iou < _MIXED_UP for iou in ious),
        "least IoU with the same alone": round(min(ious), 4),
        "model's work, refines/s": rates[0],
        "with outlines, refines/s": rates[1],
        "threads": run.threads,
        "mean batch": round((load.windows - before.windows) / (load.batches - before.batches), 2),
    }


def _iou(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def agreement(run: Run) -> list[dict[str, Any]]:
    """Run the gate as `python -m app engines` does."""
    run.close()
    found = measure(run.load, not is_on_gpu(run.device))
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


def targets(run: Run, engine: EngineName) -> list[dict[str, Any]]:
    """Hold what was found against what was wanted; what was left out or failed is not known."""
    rows = {row["engine"]: row for row in run.answer("engines by batches") or []}
    decoded, ended, asked, started = (
        run.answer(name) or {} for name in ("decode alone and under load", "a window end to end", "crowd", "start")
    )
    wanted: list[tuple[str, float | None, str, float]] = [
        ("encode, decode and mask on the CPU, median, ms", ended.get("to masks", {}).get("p50_ms"), "≤", 7),
        ("windows/s, encoder alone, batches of 8", rows.get(engine, {}).get("8, windows/s"), "≥", 300),
        (f"model's work of refines/s, {run.threads} threads", asked.get("model's work, refines/s"), "≥", 200),
        (f"a click beside {run.threads} that encode, p95 over p50 alone", decoded.get("p95 over p50 alone"), "≤", 3),
        ("answers mixed up", asked.get("mixed up"), "≤", 0),
        ("mask to outline, median, ms", ended.get("mask to outline", {}).get("p50_ms"), "≤", 4),
        ("start with all on the disk, s", started.get("ready after, s"), "≤", 20),
    ]
    return [
        {
            "figure": figure,
            "target": f"{sign} {limit:g}",
            "measured": "not known" if found is None else found,
            "met": "" if found is None else (found <= limit if sign == "≤" else found >= limit),
        }
        for figure, found, sign, limit in wanted
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, within the time, and say where the page is."""
    imported, asked = time.time(), _asked(arguments)
    logging.getLogger("app").setLevel(logging.ERROR)
    began = time.monotonic()
    asked.out.mkdir(parents=True, exist_ok=True)
    device = str(resolve_device(asked.device))
    weights, until = _weights(asked.config, asked.out), began + asked.seconds
    run = Run(device, weights, asked.out, asked.runs, asked.threads, until, asked.compiling)
    if asked.start:
        print(json.dumps(_start(run, asked.start, imported)))
        return
    there = "a GPU" if is_on_gpu(device) else "a CPU"
    fit: list[EngineName] = [name for name in ENGINES if needs(name) in (None, there) and "openvino" not in name]
    engines: list[EngineName] = [name for name in fit if asked.compiling or not name.startswith("compiled")]
    quickest: tuple[EngineName, ...] = ("compiled-bfloat16", "cuda-bfloat16", *engines)
    best = next(name for name in quickest if name in engines)
    others = [name for name in engines if name != best]
    run.section("machine", lambda: {"commit": commit(), **machine(device), "config": asked.config, "by": best})
    run.section("decode alone and under load", lambda: decoding(run, best))
    run.section("a window end to end", lambda: whole(run, best))
    run.section("crowd", lambda: crowd(run, best))
    run.section("where the time goes", lambda: profile(run, best))
    run.section("start", lambda: start(run, best, asked.config))
    run.section("engines by batches", lambda: batches(run, [best, *others]))
    run.section("agreement", lambda: agreement(run))
    run.section("targets", lambda: targets(run, best), at_any_time=True)
    run.close()
    print(f"{asked.out / 'gpu.md'}: {time.monotonic() - began:.0f} s")


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
    parser.add_argument("--start", choices=ENGINES, help="only start this engine, and tell when each step was over")
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
