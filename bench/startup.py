"""How soon the service is ready, and how much memory it takes."""

from __future__ import annotations

import psutil

from bench.rows import Row, row, timed
from bench.stage import Stage, refine
from demo.service import Service


def startup(stage: Stage, refines: int) -> list[Row]:
    """Start the service twice; look at its resident memory when it is ready, after one refine and after some."""
    with stage.service():
        pass
    ready: list[float] = []
    memory: list[float] = []
    running = stage.service()
    service: list[Service] = []
    ready.append(timed(lambda: service.append(running.__enter__())))
    try:
        process = psutil.Process(service[0].process.pid)
        memory.append(process.memory_info().rss / 2**30)
        for count in (1, refines - 1):
            for _ in range(count):
                refine(service[0], stage.draw())
            memory.append(process.memory_info().rss / 2**30)
    finally:
        running.__exit__(None, None, None)
    return [
        row("start to ready, second start", ready),
        row("resident memory, ready", memory[:1], unit="GiB"),
        row("resident memory after the first refine", memory[1:2], unit="GiB"),
        row(f"resident memory after {refines} refines", memory[2:], unit="GiB"),
    ]
