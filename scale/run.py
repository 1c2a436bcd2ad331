"""Ray and Serve on this machine, started and ended by one process: for trying, for tests, for measuring."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation

from app.settings import Settings
from scale.application import assemble
from scale.options import Options

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[1]
_LOCAL = "127.0.0.1"
_OBJECTS_BYTES = 512 * 2**20
_STARTS = 3
"""How often Ray is started: it gives up after 30 s by itself, however busy the machine is."""
_READY_S = 300.0
_STOP_S = 120.0


class NotReady(RuntimeError):
    """The service did not become ready in time."""


@contextmanager
def cluster(
    *, cpus: int = 64, port: int = 0, host: str = _LOCAL, object_bytes: int = _OBJECTS_BYTES, quiet: bool = True
) -> Iterator[str]:
    """Start a Ray of our own with Serve on it, and end both with all their processes; gives the base URL.

    Parameters
    ----------
    cpus : int
        What Ray counts with, whatever the machine has: replicas reserve them.
    port : int
        0 takes a free one.
    host : str
        Address that Serve listens on; Ray itself stays on loopback.
    object_bytes : int
        Memory for embeddings and windows on their way.
    quiet : bool
        Whether what the replicas log stays in files, which are deleted at the end.
    """
    port = port or _free_port()
    _prepare_environment()
    folder = tempfile.mkdtemp(prefix="ray")
    try:
        _start(
            num_cpus=cpus,
            object_store_memory=object_bytes,
            include_dashboard=False,
            log_to_driver=not quiet,
            logging_level=logging.WARNING,
            _node_ip_address=_LOCAL,
            _temp_dir=folder,
        )
        serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=HTTPOptions(host=host, port=port))
        yield f"http://{_LOCAL}:{port}"
    finally:
        if ray.is_initialized():  # else Serve would start a Ray, to end itself there
            serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def deployed(base_url: str, options: Options, settings: Settings | None = None, *, name: str = "") -> Iterator[str]:
    """Deploy the service on a cluster that runs, wait until it is ready, and delete it at the end.

    At the end new requests are refused, those that have begun are finished, and only then do the replicas stop: a
    refine still needs a replica of the model after it has read its window.

    Parameters
    ----------
    base_url : str
        Of the cluster.
    settings : Settings, optional
        Default: from the environment of the process that started the cluster.
    name : str
        Several services of one cluster need one; it becomes the first part of their paths.

    Yields
    ------
    str
        The service's base URL.
    """
    service = name or "refine"
    base_path = (settings or Settings()).base_path
    edges = serve.run(assemble(options, settings), name=service, route_prefix=f"/{name}")
    url = f"{base_url}/{name}".rstrip("/")
    try:
        wait_until_ready(f"{url}{base_path}/ready")
        yield url
        edges.broadcast("stop").results(timeout_s=_STOP_S)
    finally:
        serve.delete(service)


@contextmanager
def running(
    options: Options, settings: Settings | None = None, *, port: int = 0, host: str = _LOCAL, quiet: bool = True
) -> Iterator[str]:
    """Run the service on a Ray of its own; gives its base URL once it is ready."""
    with cluster(port=port, host=host, quiet=quiet) as base_url, deployed(base_url, options, settings) as url:
        yield url


def wait_until_ready(url: str, timeout_s: float = _READY_S) -> None:
    """Wait until the model answers.

    Raises
    ------
    NotReady
        It takes longer.
    """
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            if httpx.get(url, timeout=10, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass  # the proxy is not there yet
        time.sleep(0.1)
    raise NotReady(f"{url} was not ready within {timeout_s:g} s.")


def _start(**options: Any) -> None:
    """Start a Ray of our own, again where its processes did not come in time."""
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        for left in reversed(range(_STARTS)):
            try:
                ray.init(address="local", **options)
                return
            except Exception as error:  # Ray's own: it has no class
                if not left:
                    raise
                log.warning("Ray did not start, and is started again: %s", error)
    finally:
        if callable(on_end):  # Ray has put its own in this one's place, which aborts
            signal.signal(signal.SIGTERM, on_end)


def _prepare_environment() -> None:
    """Set what Ray's own processes read: they inherit it. Workers import the packages that this process does."""
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_ROOT) not in path:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, path)])
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray starts its workers with a niceness of 15, for batch jobs: beside anything that is busy, people would wait.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # As long as Serve itself waits for its proxy. After 5 s it would end one that had not started on a busy machine.
    os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:  # else Ray writes one into the home folder
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _free_port() -> int:
    with socket.create_server((_LOCAL, 0)) as taken:
        return int(taken.getsockname()[1])
