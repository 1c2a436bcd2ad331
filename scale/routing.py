"""Which edge a request goes to, where there are several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.request_router import PendingRequest

_ANNOTATION = re.compile(r"/annotations/(\d+)/refine$")


class SameEdge(ConsistentHashRouter):
    """Sends requests for one annotation to one edge, where they meet: equal ones are joined, others take turns.

    Requests without an annotation are spread evenly.
    """

    def _routing_key(self, pending_request: PendingRequest | None) -> str | None:
        request = pending_request.args[0] if pending_request and pending_request.args else None
        annotation = annotation_of(getattr(request, "asgi_scope", {}))
        key: str | None = f"annotation {annotation}" if annotation else super()._routing_key(pending_request)
        return key


def annotation_of(scope: Mapping[str, Any]) -> str | None:
    """Tell which annotation a request is about, if any."""
    found = _ANNOTATION.search(scope.get("path", ""))
    if found:
        return found[1]
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return next(iter(query.get("annotation_id", [])), None)
