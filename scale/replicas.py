"""What the replicas of a service tell each other: their figures, and how long their lines are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from ray.exceptions import RayError

from app.usecases.ports import QueueLoad

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_SILENT_S = 10.0
"""A replica that was not heard of for so long is no replica any more."""
_ANSWER_S = 5.0
_NAMESPACE = "refine"


@dataclass(frozen=True, slots=True)
class Page:
    """What a replica tells of itself."""

    figures: str
    """Prometheus' text form."""
    load: QueueLoad | None = None
    """Of a replica of the model."""


class Board:
    """Where the replicas of one service hang out their pages; an actor of Ray."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[float, Page]] = {}

    def swap(self, replica: str, page: Page | None) -> dict[str, Page]:
        """Hang a page out, or take it away, and read those of the others."""
        now = time.monotonic()
        self._pages.pop(replica, None)
        young = {name: hung for name, hung in self._pages.items() if now - hung[0] < _SILENT_S}
        self._pages = young if page is None else {**young, replica: (now, page)}
        return {name: page for name, (_, page) in young.items()}


class Replicas:
    """The other replicas of this one's service, as they were a moment ago.

    Parameters
    ----------
    service : str
        Name of the application in Serve.
    own : str
        Name of this replica.
    page : callable
        Gives this replica's own page.
    """

    def __init__(self, service: str, own: str, page: Callable[[], Page]) -> None:
        self._service, self._own, self._page = service, own, page
        self._board: Any = None
        self._others: Mapping[str, Page] = {}
        self._heard = -_SILENT_S
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="replicas", daemon=True)
        self._thread.start()

    @property
    def load(self) -> QueueLoad:
        """How long the lines of all replicas of the model are together."""
        return together(page.load for page in self._pages().values() if page.load)

    def ready(self) -> bool:
        """Whether a replica of the model works."""
        return any(page.load for page in self._pages().values())

    def figures(self, own: bytes) -> bytes:
        """Join the figures of the other replicas to those of this one."""
        others = {name: page.figures for name, page in self._pages().items()}
        return joined({**others, self._own: own.decode()})

    def close(self) -> None:
        """Take this replica's page away."""
        self._over.set()
        self._thread.join()

    def _pages(self) -> Mapping[str, Page]:
        return self._others if time.monotonic() - self._heard < _SILENT_S else {}

    def _work(self) -> None:
        while not self._over.wait(_EVERY_S):
            self._swap(self._page())
        self._swap(None)

    def _swap(self, page: Page | None) -> None:
        try:
            self._board = self._board or board(self._service)
            others = ray.get(self._board.swap.remote(self._own, page), timeout=_ANSWER_S)
        except (RayError, TimeoutError, ValueError) as error:  # its machine went away, and it is made again elsewhere
            log.warning("The other replicas cannot be reached: %s", type(error).__name__)
            self._board = None
            return
        self._others, self._heard = others, time.monotonic()


def board(service: str) -> Any:
    """Give the board of a service; whoever asks first makes it."""
    options = {"name": f"board-{service}", "namespace": _NAMESPACE, "lifetime": "detached", "get_if_exists": True}
    return ray.remote(Board).options(**options, num_cpus=0, max_restarts=-1).remote()


def together(loads: Iterable[QueueLoad]) -> QueueLoad:
    """Add lines up."""
    loads = list(loads)
    return QueueLoad(
        waiting=sum(load.waiting for load in loads),
        running=sum(load.running for load in loads),
        oldest_s=max((load.oldest_s for load in loads), default=0.0),
        device_bytes=sum(load.device_bytes for load in loads),
        windows=sum(load.windows for load in loads),
        batches=sum(load.batches for load in loads),
    )


def joined(pages: Mapping[str, str]) -> bytes:
    """Make one page of several, each line with the label ``replica``.

    Parameters
    ----------
    pages : mapping of str to str
        Names of replicas, and their figures in Prometheus' text form.
    """
    registry = CollectorRegistry()
    registry.register(_Joined(pages))
    return generate_latest(registry)


class _Joined(Collector):
    def __init__(self, pages: Mapping[str, str]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Metric]:
        """Give each figure once, with the samples of all replicas."""
        found: dict[str, Metric] = {}
        for replica, page in self._pages.items():
            for given in text_string_to_metric_families(page):
                family = found.setdefault(given.name, Metric(given.name, given.documentation, given.type))
                for sample in given.samples:
                    family.samples.append(sample._replace(labels={**sample.labels, "replica": replica}))
        yield from found.values()
