"""What happens when many press the button at once: answers, refusals, waiting, and whether health still answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from bench.rows import Row, row, timed
from bench.stage import Stage
from demo.service import Service

_HEALTH_EVERY_S = 0.25


def crowd(stage: Stage, users: tuple[int, ...], seconds: float) -> list[Row]:
    """Let so many users refine at once, each one box after the other, for a while."""
    rows = []
    with stage.service() as service:
        for count in users:
            rows += _round(stage, service, count, seconds)
    return rows


def _round(stage: Stage, service: Service, users: int, seconds: float) -> list[Row]:
    end = time.monotonic() + seconds
    guard, accepted, statuses, health = threading.Lock(), [0.0], Counter[int](), [0.0]
    accepted.clear()
    health.clear()

    def user(_: int) -> None:
        while time.monotonic() < end:
            with guard:
                number = stage.draw()
            start = time.perf_counter()
            answer = service.refine(number, dry_run=True)
            spent = time.perf_counter() - start
            with guard:
                statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    accepted.append(spent)
            if answer.status_code == 503:
                time.sleep(min(float(answer.headers["Retry-After"]), max(0.0, end - time.monotonic())))

    def watch() -> None:
        while time.monotonic() < end:
            health.append(timed(lambda: httpx.get(f"{service.url}/health", trust_env=False, timeout=30)))
            time.sleep(_HEALTH_EVERY_S)

    with ThreadPoolExecutor(users + 1) as pool:
        watching = pool.submit(watch)
        list(pool.map(user, range(users)))
        watching.result()
    note = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    name = f"{users} users at once"
    return [
        row(f"{name}: an accepted refine", accepted or [float("nan")], note=note),
        row(f"{name}: health", health, note=f"longest {float(np.max(health)) * 1e3:.0f} ms"),
    ]
