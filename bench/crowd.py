"""What happens when many press the button at once: answers, refusals, waiting, and whether health still answers."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil
import shapely

from app.geometry.locations import read_location, roi_of
from app.geometry.windows import plan_window
from bench.rows import Row, row, timed
from bench.stage import Stage
from demo.service import Service

_HEALTH_EVERY_S = 0.25


@dataclass
class _Seen:
    """What happened in a round."""

    accepted: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    promised: list[float] = field(default_factory=list)
    """Seconds after which those who were turned away were to come back."""
    wrong: int = 0
    """Answers about another annotation or window, and stored shapes that are not the answer's."""


def crowd(stage: Stage, rounds: tuple[tuple[int, float], ...]) -> list[Row]:
    """Let users draw and refine at once, each one box after the other all over the slide.

    Parameters
    ----------
    rounds : tuple of (int, float)
        Number of users, and seconds.
    """
    rows = []
    with stage.service() as service:
        for users, seconds in rounds:
            rows += _round(stage, service, users, seconds)
    return rows


def _round(stage: Stage, service: Service, users: int, seconds: float) -> list[Row]:
    end = time.monotonic() + seconds
    guard, seen = threading.Lock(), _Seen()
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss

    def user(number: int) -> None:
        rng = np.random.default_rng((users, number))
        while time.monotonic() < end:
            _press(stage, service, rng, guard, seen, end)

    watcher = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with watcher, ThreadPoolExecutor(users) as pool:  # a process of its own does not wait for the users' threads
        watching = watcher.submit(_watch, service.url, process.pid, seconds)
        list(pool.map(user, range(users)))
        health, resident = watching.result()
    after = process.memory_info().rss
    grown, late = ((after - earlier) / 2**20 for earlier in (before, resident[len(resident) // 2]))
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(seen.statuses.items()))
    if seen.promised:
        answers += f"; told to retry after {min(seen.promised):.0f} to {max(seen.promised):.0f} s"
    memory = f"{grown:+.0f} MiB, of which {late:+.0f} in the second half"
    name = f"{users} user{'s at once' if users > 1 else ''}"
    return [
        row(f"{name}: an accepted refine", seen.accepted or [float("nan")], note=answers),
        row(f"{name}: answers mixed up", [float(seen.wrong)], unit="", note=f"of {seen.statuses[200]}"),
        row(f"{name}: health", health, note=f"longest {max(health) * 1e3:.0f} ms"),
        row(f"{name}: resident memory", [after / 2**30], unit="GiB", note=memory),
    ]


def _press(
    stage: Stage, service: Service, rng: np.random.Generator, guard: threading.Lock, seen: _Seen, end: float
) -> None:
    """Draw a box somewhere, press the button, and look at the answer; whoever is turned away comes back when told."""
    shape = stage.sample.shape
    x0, y0, x1, y1 = shape.bounds
    x = rng.uniform(-x0, stage.image.width - x1)
    y = rng.uniform(-y0, stage.image.height - y1)
    with guard:
        annotation = stage.draw(shapely.affinity.translate(shape, x, y), shifted=False)
    start = time.perf_counter()
    answer = service.refine(annotation)
    spent = time.perf_counter() - start
    right = answer.status_code != 200 or _is_right(stage, annotation, answer)
    with guard:
        seen.statuses[answer.status_code] += 1
        seen.wrong += not right
        if answer.status_code == 200:
            seen.accepted.append(spent)
        elif answer.status_code == 503:
            seen.promised.append(float(answer.headers["Retry-After"]))
    if answer.status_code == 503:
        time.sleep(min(float(answer.headers["Retry-After"]), max(0.0, end - time.monotonic())))


def _is_right(stage: Stage, annotation: int, answer: httpx.Response) -> bool:
    """Tell whether an answer is about this annotation, from its own window, and what the platform has stored."""
    told = answer.json()
    width, height = stage.image.width, stage.image.height
    window = plan_window(roi_of(read_location(told["previous_location"]), width, height), width, height)
    side = (told["window"]["width"], told["window"]["height"])
    stored = stage.cytomine.store.location(annotation)
    return (
        told["annotation_id"] == annotation
        and side == (window.region.width, window.region.height)
        and told["window"]["x"] == window.region.left
        and stored is not None
        and bool(shapely.from_wkt(stored).equals_exact(shapely.geometry.shape(told["geojson"]["geometry"]), 1e-6))
    )


def _watch(url: str, process_id: int, seconds: float) -> tuple[list[float], list[int]]:
    """Ask for health again and again; gives the seconds of each answer, and the resident bytes beside it."""
    end = time.monotonic() + seconds
    spent, resident = [], []
    process = psutil.Process(process_id)
    with httpx.Client(trust_env=False, timeout=30) as client:
        while time.monotonic() < end:
            spent.append(timed(lambda: client.get(f"{url}/health").raise_for_status()))
            resident.append(process.memory_info().rss)
            time.sleep(_HEALTH_EVERY_S)
    return spent, resident
