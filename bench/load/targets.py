"""What the crowd is let loose on: the service on plain uvicorn, or on Ray Serve."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.load.simulated import VARIABLE, Simulation
from bench.load.stage import LoadStage
from demo.service import running_service


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment that answers."""

    name: str
    replicas: int
    url: str
    headers: dict[str, str]
    """Of the service account, whose requests have no share."""
    pids: Callable[[], list[int]]
    """Its processes, for what they take of the machine."""

    def cpu_s(self) -> float:
        """Processor time that its processes have taken so far."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def memory_bytes(self) -> int:
        """Memory of its processes; what they share is counted once for each."""
        return sum(_rss(pid) for pid in self.pids())


@contextmanager
def plain(stage: LoadStage, simulation: Simulation | None, **settings: str) -> Iterator[Target]:
    """Run the service on uvicorn, one process; without a simulation with the embedded model."""
    command = ("bench.load.plain",) if simulation else ("app", "serve")
    keys = (stage.account.public_key, stage.account.private_key)
    with running_service(
        free_port(),
        stage.cytomine.base_url,
        keys,
        stage.secret,
        stage.folder / "service.log",
        command=command,
        start_s=120.0,
        **{**service_settings(simulation), **settings},
    ) as service:
        process = psutil.Process(service.process.pid)
        yield Target("plain", 1, service.url, service.headers, lambda: [process.pid])


def service_settings(simulation: Simulation | None) -> dict[str, str]:
    """Give the environment that both deployments get; without a simulation the embedded model runs in them."""
    return {
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "REFINE_SEGMENTER__ENGINE": "torch-float32",
        "REFINE_API__LOG_LEVEL": "error",
        **({VARIABLE: simulation.to_text()} if simulation else {}),
    }


def free_port() -> int:
    """Find a port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _cpu_s(pid: int) -> float:
    try:
        spent = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(spent.user + spent.system)


def _rss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
