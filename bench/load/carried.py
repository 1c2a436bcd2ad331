"""How many windows a second so many replicas carry, asked through the model's own door and not over HTTP.

With a simulated encoder a replica takes no core, but everything around it does: Core, PIMS, the HTTP edge. On a small
machine those are full long before four replicas are. The door is what the HTTP edge itself calls.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from app.geometry.prompts import Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.usecases.ports import Claim, QueueLoad, Segmenter
from bench.load.notes import Spread, spread

_CALLERS = 6
"""For each replica: enough that none is ever idle."""
_WARM_S = 1.5
_SIDE_PXW = 128


@dataclass(frozen=True, slots=True)
class Carried:
    """What so many replicas did."""

    replicas: int
    embedding_bytes: int
    windows_per_s: float
    latency_s: Spread | None
    """Of a window and its mask, with the line that so many callers make."""


def carried(replicas: int, seconds: float) -> Carried:
    """Keep the replicas of the deployment that runs busy for a while; each window is encoded and decoded once."""
    from ray import serve

    from scale.segmenter import RaySegmenter

    handle = serve.get_deployment_handle("model", "refine")
    model: Segmenter = RaySegmenter(handle, 60.0, lambda: QueueLoad(0, 0, 0.0))
    start = time.monotonic() + _WARM_S
    end, guard = start + seconds, threading.Lock()
    done: list[tuple[float, float]] = []
    sizes: set[int] = set()
    image = WindowImage(np.zeros((_SIDE_PXW, _SIDE_PXW, 3), np.uint8), WindowGrid(1000, 1000, 2.0, 2.0))
    corners = np.array([[32.0, 32.0], [96.0, 96.0]])
    prompts = Prompts(corners, np.empty((0, 2)), ())  # type: ignore[arg-type]

    def caller(number: int) -> None:
        while time.monotonic() < end:
            asked = time.monotonic()
            embedding = model.encode(image, Claim(number))
            model.decode(embedding, prompts)
            with guard:
                done.append((asked, time.monotonic()))
                sizes.add(embedding.nbytes)

    callers = _CALLERS * replicas
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(caller, range(callers)))
    counted = [(asked, finished) for asked, finished in done if start <= finished < end]
    return Carried(
        replicas, max(sizes), len(counted) / seconds, spread(finished - asked for asked, finished in counted)
    )
