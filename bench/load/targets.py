"""What the crowd is let loose on: the service on plain uvicorn, or on Ray Serve with replicas of the model."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from pydantic import SecretStr

from app.settings import ApiSettings, PlatformSettings, SegmenterSettings, Settings
from bench.load.simulated import VARIABLE, Simulation
from bench.load.stage import LoadStage
from demo.service import SECRET_HEADER, running_service

_REPLICA = "ray::ServeReplica:refine:model"
"""What Ray calls the process of a replica of the model."""
_SIMULATED = "bench.load.simulated:from_environment"


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
def plain(stage: LoadStage, simulation: Simulation | None) -> Iterator[Target]:
    """Run the service on uvicorn, one process; without a simulation with the embedded model."""
    settings = settings_of(stage)
    more = {}
    if simulation:
        _write(stage, simulation)
        more[VARIABLE] = str(_file(stage))
    with running_service(
        free_port(),
        stage.cytomine.base_url,
        (stage.account.public_key, stage.account.private_key),
        stage.secret,
        stage.folder / "service.log",
        start_s=300.0,
        command=("bench.load.plain",) if simulation else ("app", "serve"),
        REFINE_SEGMENTER__DEVICE=settings.segmenter.device,
        REFINE_SEGMENTER__ENGINE=settings.segmenter.engine,
        REFINE_API__LOG_LEVEL=settings.api.log_level,
        **more,
    ) as service:
        pid = service.process.pid
        yield Target("plain", 1, service.url, service.headers, lambda: [pid])


@contextmanager
def ray_cluster(stage: LoadStage, object_bytes: int = 2 * 2**30) -> Iterator[str]:
    """Start a Ray of our own, on which `on_ray` deploys; gives its base URL."""
    from scale.run import cluster  # Ray is an extra

    os.environ[VARIABLE] = str(_file(stage))  # its processes inherit it
    try:
        with cluster(object_bytes=object_bytes) as base_url:
            yield base_url
    finally:
        del os.environ[VARIABLE]


@contextmanager
def on_ray(base_url: str, stage: LoadStage, simulation: Simulation | None, replicas: int) -> Iterator[Target]:
    """Deploy the service on a Ray that runs; without a simulation with the embedded model."""
    from scale.options import LOCAL_MODEL, Options
    from scale.run import deployed

    if simulation:
        _write(stage, simulation)
    options = Options(replicas=replicas, factory=_SIMULATED if simulation else LOCAL_MODEL)
    with deployed(base_url, options, settings_of(stage)) as url:
        yield Target("Ray Serve", replicas, url, {SECRET_HEADER: stage.secret}, _ray_pids)


def settings_of(stage: LoadStage) -> Settings:
    """Give the settings of both deployments: the platform of the stage, and the small model where none is simulated."""
    account = stage.account
    return Settings(
        platform=PlatformSettings(
            host=stage.cytomine.base_url, public_key=account.public_key, private_key=SecretStr(account.private_key)
        ),
        segmenter=SegmenterSettings(device="cpu", engine="torch-float32", demo_model=True),
        api=ApiSettings(shared_secret=SecretStr(stage.secret), log_level="error"),
    )


def replica_pids() -> list[int]:
    """List the processes of the model's replicas, of the Ray that this process has started."""
    return [process.pid for process in _children() if _title(process).startswith(_REPLICA)]


def replicas_at_work() -> int:
    """Count the replicas of the model that have loaded it and answer."""
    from ray import serve

    application = serve.status().applications.get("refine")
    states = application.deployments["model"].replica_states if application else {}
    return sum(count for state, count in states.items() if str(state).endswith("RUNNING"))


def free_port() -> int:
    """Find a port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _file(stage: LoadStage) -> Path:
    return (stage.folder / "simulation.json").resolve()


def _write(stage: LoadStage, simulation: Simulation) -> None:
    _file(stage).write_text(simulation.to_text())


def _ray_pids() -> list[int]:
    return [each.pid for each in _children() if _title(each).startswith("ray::") or "/ray/" in _title(each)]


def _children() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


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
