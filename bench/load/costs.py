"""What the sizing counts with: measured here, measured by `python -m bench`, or assumed; each with its source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.geometry.windows import MODEL_SIDE_PX, plan_window
from app.usecases.ports import Plane
from bench.load.notes import Spread, spread
from bench.load.stage import LoadStage
from bench.load.targets import settings_of
from bench.load.world import drawn_around, random_object

GPU = "one NVIDIA H200, cuda-bfloat16, Hiera-B+ with random weights, torch 2.11, November 2026"
"""Which card gave the two figures below, by `python -m bench`'s way: 1,024 px, warm, median of 20."""
GPU_WINDOWS_PER_S = 173.0
"""The encoder alone, in batches of eight; one after the other 139."""
GPU_DECODE_S = 0.0023
"""Four prompts, by itself."""
SPOILT = 0.1
"""Guessed: boxes that were prepared and then left as they are."""
TISSUE_WINDOW_BYTES = 1.6e6
"""The mean of ten windows of 1024 x 1024 px at full resolution as PNG (0.5 to 2.3 MB), CMU-1-Small-Region.svs, H&E, of
OpenSlide's test data. Boxes of less than 512 px have smaller windows."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number of the sizing."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Engine:
    """What `python -m bench` has measured of the real model on this kind of machine."""

    name: str
    encode_s: float
    decode_s: float
    source: str


def engine_of(results: Path) -> Engine:
    """Read the results of `python -m bench` for the questions `encode` and `steps`, of the same model and engine.

    Raises
    ------
    FileNotFoundError
        There are none.
    """
    seconds, names = [], []
    for question, step in (("encode", "encode"), ("steps", "decode")):
        file = results / f"{question}.json"
        if not file.exists():
            raise FileNotFoundError(f"{results} has no results of `python -m bench --only {question}`.")
        found = json.loads(file.read_text())
        meta = found["meta"]
        names.append(f"{meta['config']}, {meta['engine']}, {meta['cores']} cores")
        seconds += [row["ours"] for row in found["rows"] if row["name"] == f"{step}, {meta['engine']}"]
    if len(seconds) != 2 or len(set(names)) != 1:
        raise FileNotFoundError(f"{results}: encoder and decoder are not those of one model: {', '.join(names)}.")
    return Engine(names[0], seconds[0], seconds[1], "bench/results/encode.json and steps.json")


def window_bytes(stage: LoadStage, count: int) -> Spread:
    """Fetch the windows of boxes that people draw, as the service does, and look at their size."""
    rng = np.random.default_rng(5)
    settings = settings_of(stage)
    core, pixels = CoreHttp(settings.platform), PimsPixels(settings.platform, settings.imagery.max_image_bytes)
    sizes = []
    for _ in range(count):
        place = stage.slides[int(rng.integers(len(stage.slides)))]
        slide = CoreGateway(core).slide(place.id)
        box = drawn_around(rng, random_object(rng, place.width, place.height))
        window = plan_window(box, place.width, place.height)
        length = min(MODEL_SIDE_PX, max(window.region.width, window.region.height))
        sizes.append(float(len(pixels.region(slide, Plane(), window.region, length))))
    core.close()
    pixels.close()
    found = spread(sizes)
    assert found  # noqa: S101  there are some
    return found
