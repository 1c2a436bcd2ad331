"""The refine service as a process of its own, started with settings for the embedded Cytomine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

SECRET_HEADER = "X-Refine-Secret"  # noqa: S105  a header's name
_ROOT = Path(__file__).resolve().parents[1]
_STOP_S = 15.0


class ServiceDidNotStart(RuntimeError):
    """The process ended, or was not ready in time; its own words are in the log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running refine service."""

    url: str
    secret: str
    process: subprocess.Popen[bytes]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=120))
    """Keeps connections; safe to share between threads."""

    @property
    def headers(self) -> dict[str, str]:
        """What every request must carry."""
        return {SECRET_HEADER: self.secret}

    def refine(self, annotation: int, **options: object) -> httpx.Response:
        """Ask for a refine, by HTTP."""
        url = f"{self.url}/sam/annotations/{annotation}/refine"
        return self.client.post(url, json=options, headers=self.headers)


@contextmanager
def running_service(
    port: int,
    core_url: str,
    keys: tuple[str, str],
    secret: str,
    log: Path,
    *,
    start_s: float = 300.0,
    command: tuple[str, ...] = ("app", "serve"),
    **settings: str,
) -> Iterator[Service]:
    """Start the service on loopback, wait until it is ready, and stop it at the end.

    Parameters
    ----------
    keys : (str, str)
        Public and private key of the service account.
    log : Path
        Gets the service's output.
    command : tuple of str
        A module that serves, and its arguments.
    settings
        More environment variables.

    Raises
    ------
    ServiceDidNotStart
        With the last lines of the log.
    """
    environment = {
        "REFINE_SEGMENTER__DEMO_MODEL": "true",  # where no weights were pulled
        "REFINE_SEGMENTER__MEASURE_ENGINES": "false",  # it would take longer than what the first refines gain
        **os.environ,
        "REFINE_PLATFORM__HOST": core_url,
        "REFINE_PLATFORM__PUBLIC_KEY": keys[0],
        "REFINE_PLATFORM__PRIVATE_KEY": keys[1],
        "REFINE_API__HOST": "127.0.0.1",
        "REFINE_API__PORT": str(port),
        "REFINE_API__SHARED_SECRET": secret,
        "REFINE_API__SECRET_HEADER": SECRET_HEADER,
        "API_BASE_PATH": "/sam",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  modules of ours
            [sys.executable, "-m", *command], env=environment, cwd=_ROOT, stdout=output, stderr=output
        )
    service = Service(f"http://127.0.0.1:{port}", secret, process)
    try:
        _wait_until_ready(service, log, start_s)
        yield service
    finally:
        service.client.close()
        _stop(process)


def _wait_until_ready(service: Service, log: Path, start_s: float) -> None:
    give_up = time.monotonic() + start_s
    while time.monotonic() < give_up:
        if service.process.poll() is not None:
            break
        try:
            if service.client.get(f"{service.url}/sam/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-12:])
    raise ServiceDidNotStart(f"The service did not start. Its last words:\n{last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
