"""Which edge a request goes to, where there are several."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.request_router import PendingRequest, RunningReplica

_ANNOTATION = re.compile(r"/annotations/(\d+)/refine$")


class SameEdge(ConsistentHashRouter):
    """Sends requests for one annotation to one edge, where they meet: equal ones are joined, others take turns.

    Requests without an annotation are spread evenly, and go to another edge where theirs does not answer at once; the
    others wait for it, however busy it is.
    """

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Rank the edges that a request may go to."""
        ranks: list[list[RunningReplica]] = await super().choose_replicas(candidate_replicas, pending_request)
        return ranks[:1] if _annotation(pending_request) else ranks

    def _routing_key(self, pending_request: PendingRequest | None) -> str | None:
        annotation = _annotation(pending_request)
        key: str | None = f"annotation {annotation}" if annotation else super()._routing_key(pending_request)
        return key


def _annotation(pending_request: PendingRequest | None) -> str | None:
    sent = pending_request.args[0] if pending_request and pending_request.args else None
    return _annotation_in(sent) if isinstance(sent, bytes) else None


@lru_cache(maxsize=256)
def _annotation_in(sent: bytes) -> str | None:
    """Read a request once, however often the router asks: twice, and again for each time that its edge was busy."""
    request = pickle.loads(sent)  # noqa: S301  this process, the proxy, wrote it
    return annotation_of(getattr(request, "asgi_scope", {}))


def annotation_of(scope: Mapping[str, Any]) -> str | None:
    """Tell which annotation a request is about, if any."""
    found = _ANNOTATION.search(scope.get("path", ""))
    if found:
        return found[1]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return next(iter(query.get("annotation_id", [])), None)
