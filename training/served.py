"""The last check of a model: the real service, started with it, refines an object over HTTP."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import shapely
from rich.console import Console

from app.geometry.frames import flip_geometry
from app.geometry.masks import BoolMask
from app.geometry.windows import MODEL_SIDE_PX, Region, Window
from training.dataset import Dataset, Item, open_dataset
from training.dataset.cutting import painted
from training.dataset.folder import window_file
from training.errors import BrokenRun
from training.evaluation.baselines import box_mask
from training.evaluation.metrics import overlap

_START_S = 240.0
_HEADER = "X-Refine-Secret"
_LOOSENED = 0.08
"""Share of the extent by which the box is loosened on every side."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the service made of an object."""

    item: str
    before: float
    """IoU of the loosened box."""
    after: float
    seconds: float
    model: str


def refine_through_the_service(checkpoint: Path, data: Path) -> Served:
    """Start the service with a checkpoint, send it the window of a held-out object as a crop, and stop it.

    Parameters
    ----------
    checkpoint : Path
        With its card beside it, so that the service knows its config.
    data : Path
        The dataset folder.

    Raises
    ------
    BrokenRun
        The service does not start, or does not answer with an outline.
    """
    dataset = open_dataset(data)
    item = _typical(dataset)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = secrets.token_hex(16)
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        env={**os.environ, **_settings(checkpoint, port, secret)},
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Console().status("Starting the service with the new model"):
            model = _wait(process, f"http://127.0.0.1:{port}/sam/ready", f"http://127.0.0.1:{port}/health")
        started = time.monotonic()
        answer = _sent(f"http://127.0.0.1:{port}/sam/annotations/refine", {_HEADER: secret}, dataset, item)
        seconds = time.monotonic() - started
    finally:
        process.terminate()
        process.wait()
    truth, found = dataset.mask(item), _painted(answer)
    plain = box_mask(dataset.image(item), _loose_box(item))
    return Served(item.id, overlap(plain, truth)["iou"], overlap(found, truth)["iou"], seconds, model)


def _settings(checkpoint: Path, port: int, secret: str) -> dict[str, str]:
    """Give a service that needs no platform: the crop's route reads and writes nothing there."""
    return {
        "REFINE_PLATFORM__HOST": "http://127.0.0.1:9",
        "REFINE_PLATFORM__PUBLIC_KEY": secret,
        "REFINE_PLATFORM__PRIVATE_KEY": secret,
        "REFINE_API__HOST": "127.0.0.1",
        "REFINE_API__PORT": str(port),
        "REFINE_API__SHARED_SECRET": secret,
        "REFINE_API__SECRET_HEADER": _HEADER,
        "REFINE_SEGMENTER__CHECKPOINT": str(checkpoint.resolve()),
        "REFINE_SEGMENTER__MEASURE_ENGINES": "false",  # minutes for a large model, and this service refines once
    }


def _wait(process: subprocess.Popen[bytes], ready: str, health: str) -> str:
    """Wait until the model is loaded; gives its name."""
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if httpx.get(ready, timeout=5, trust_env=False).status_code == 200:
                return str(httpx.get(health, timeout=5, trust_env=False).json()["model"]["name"])
        except httpx.TransportError:
            time.sleep(0.2)  # not listening yet
    raise BrokenRun("The service did not start with the new model: `python -m app serve` says why.")


def _sent(url: str, headers: dict[str, str], dataset: Dataset, item: Item) -> dict[str, Any]:
    """Send the item's window as the crop of a slide of 1,024 px, and its loosened box as the annotation."""
    x0, y0, x1, y1 = (float(value) for value in _loose_box(item))
    location = flip_geometry(shapely.box(x0, y0, x1, y1), MODEL_SIDE_PX).wkt
    answer = httpx.post(
        url,
        headers=headers,
        files={"annotation_crop": ("crop.jpg", window_file(dataset.folder, item.id).read_bytes(), "image/jpeg")},
        data={"image_width": str(MODEL_SIDE_PX), "image_height": str(MODEL_SIDE_PX), "location": location},
        timeout=120,
        trust_env=False,
    )
    if answer.status_code != 200:
        raise BrokenRun(f"The service answered {answer.status_code} with the new model: {answer.text[:300]}")
    return dict(answer.json()["geometry"])


def _typical(dataset: Dataset) -> Item:
    """Choose a held-out object of middling size, so that it shows the usual case."""
    items = sorted(dataset.of("test") or list(dataset.items), key=lambda item: (item.longer_px0, item.id))
    return items[len(items) // 2]


def _loose_box(item: Item) -> np.ndarray[Any, np.dtype[np.float64]]:
    x0, y0, x1, y1 = item.box
    out_x, out_y = _LOOSENED * (x1 - x0), _LOOSENED * (y1 - y0)
    return np.asarray(np.clip([x0 - out_x, y0 - out_y, x1 + out_x, y1 + out_y], 0, MODEL_SIDE_PX), np.float64)


def _painted(geometry: dict[str, Any]) -> BoolMask:
    whole = Region(0, 0, MODEL_SIDE_PX, MODEL_SIDE_PX)
    shape = flip_geometry(shapely.geometry.shape(geometry), MODEL_SIDE_PX)
    return np.asarray(painted(shape, Window(0, 0, MODEL_SIDE_PX, whole)) > 0)
