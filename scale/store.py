"""Windows that one HTTP edge has encoded, for the others: their embeddings lie in Ray's object store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

import ray
from cachetools import TTLCache
from ray.exceptions import RayError

from app.geometry.windows import Window
from app.usecases.embeddings import KEPT_S
from app.usecases.ports import EncodedWindow, ModelInfo, Plane, Slide

log = logging.getLogger(__name__)

_ANSWER_S = 2.0
"""The directory is a shortcut: an edge does not wait for it any longer."""
_NAMESPACE = "refine"


class Directory:
    """Knows where embeddings lie, and keeps them there while they are used; an actor of Ray.

    Parameters
    ----------
    max_bytes : int
        Of all embeddings together; the least used go first.
    kept_s : float
        Older ones are forgotten: a slide's file may be replaced under its name.
    """

    def __init__(self, max_bytes: int, kept_s: float = KEPT_S) -> None:
        self._kept: TTLCache[tuple[Hashable, Window], EncodedWindow] = TTLCache(
            max_bytes, kept_s, getsizeof=lambda encoded: encoded.embedding.nbytes
        )

    def windows(self, place: Hashable) -> list[Window]:
        """List the windows of a plane of a slide."""
        return [window for kept, window in list(self._kept) if kept == place]

    def read(self, place: Hashable, window: Window) -> EncodedWindow | None:
        """Give a window back, if it is still here."""
        return self._kept.get((place, window))

    def write(self, place: Hashable, encoded: EncodedWindow) -> None:
        """Keep a window."""
        if encoded.embedding.nbytes <= self._kept.maxsize:
            self._kept[place, encoded.window] = encoded


class SharedEmbeddings:
    """The use cases' store of embeddings, shared by the edges of one service.

    Parameters
    ----------
    service : str
        Name of the application in Serve.
    max_bytes : int
        See `Directory`; whoever comes first decides.
    platform : str
        Base URL; slides of other platforms have the same ids.
    info : callable
        Tells which model works now: windows of another one are not used.
    """

    def __init__(self, service: str, max_bytes: int, platform: str, info: Callable[[], ModelInfo]) -> None:
        self._service, self._max_bytes = service, max_bytes
        self._directory: Any = None
        self._platform, self._info = platform, info

    def windows(self, slide: Slide, plane: Plane) -> list[Window]:
        """List the windows of a slide that are here."""
        return self._ask("windows", self._place(slide, plane)) or []

    def read(self, slide: Slide, plane: Plane, window: Window) -> EncodedWindow | None:
        """Give a window back; if its embedding is lost meanwhile, the segmenter encodes it again."""
        found: EncodedWindow | None = self._ask("read", self._place(slide, plane), window)
        return found

    def write(self, slide: Slide, plane: Plane, encoded: EncodedWindow) -> None:
        """Keep a window; nobody waits for it."""
        self._actor().write.remote(self._place(slide, plane), encoded)

    def close(self) -> None:
        """Leave everything to the other edges."""

    def _place(self, slide: Slide, plane: Plane) -> Hashable:
        info = self._info()
        return (self._platform, info.sha256, info.engine, info.precision, slide, plane)

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            return ray.get(getattr(self._actor(), method).remote(*arguments), timeout=_ANSWER_S)
        except (RayError, TimeoutError, ValueError) as error:
            log.warning("The directory of embeddings does not answer: %s", type(error).__name__)
            self._directory = None
            return None

    def _actor(self) -> Any:
        if self._directory is not None:
            return self._directory
        options = {"name": f"embeddings-{self._service}", "namespace": _NAMESPACE, "lifetime": "detached"}
        actor = ray.remote(Directory).options(**options, get_if_exists=True, num_cpus=0, max_restarts=-1)
        self._directory = actor.remote(self._max_bytes)
        return self._directory
