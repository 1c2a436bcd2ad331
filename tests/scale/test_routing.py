"""Which edge a request goes to, and what of Ray that relies on."""

from __future__ import annotations

import asyncio
import pickle
from importlib.metadata import version
from unittest.mock import Mock

import pytest
from ray.serve._private.proxy_request_response import ASGIProxyRequest
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.handle import DeploymentResponse
from ray.serve.request_router import PendingRequest, RunningReplica

from scale.routing import SameEdge, annotation_of


@pytest.mark.parametrize(
    ("scope", "annotation"),
    [
        ({"path": "/sam/annotations/7/refine"}, "7"),
        ({"path": "/prefix/sam/annotations/7/refine"}, "7"),
        ({"path": "/sam/autonomous_prediction", "query_string": b"annotation_id=8"}, "8"),
        ({"path": "/sam/annotations/7"}, None),
        ({"path": "/health", "query_string": b""}, None),
        ({}, None),
    ],
)
def test_a_request_names_its_annotation_by_path_or_query(scope: dict[str, object], annotation: str | None) -> None:
    assert annotation_of(scope) == annotation


def test_what_ray_does_not_promise_to_keep_is_as_in_the_version_that_was_tested() -> None:
    """`SameEdge` overrides a method that another version may go without, unseen; `RaySegmenter` calls one."""
    assert version("ray").startswith("2.60.")
    assert "_routing_key" in vars(ConsistentHashRouter)
    assert "_to_object_ref_sync" in vars(DeploymentResponse)


def test_requests_for_one_annotation_have_one_key() -> None:
    async def key(path: str) -> str | None:
        return object.__new__(SameEdge)._routing_key(asking(path))

    assert asyncio.run(key("/sam/annotations/7/refine")) == "annotation 7"


def test_only_requests_without_an_annotation_go_elsewhere_when_their_edge_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ranked(*_: object) -> list[list[str]]:
        return [["this edge"], ["another"]]

    monkeypatch.setattr(ConsistentHashRouter, "choose_replicas", ranked)

    async def ranks(path: str) -> list[list[RunningReplica]]:
        return await object.__new__(SameEdge).choose_replicas([], asking(path))

    assert asyncio.run(ranks("/sam/annotations/7/refine")) == [["this edge"]]
    assert asyncio.run(ranks("/health")) == [["this edge"], ["another"]]


def test_a_request_is_read_once_however_often_its_edge_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(wraps=pickle.loads)
    monkeypatch.setattr("scale.routing.pickle", Mock(loads=read))
    router = object.__new__(SameEdge)
    router._ring_hashes = []  # no edge takes it

    async def ask(times: int) -> None:
        request = asking("/sam/annotations/1234567/refine")
        for _ in range(times):
            assert await router.choose_replicas([Mock()], request) == []

    asyncio.run(ask(5))
    assert read.call_count == 1


def asking(path: str) -> PendingRequest:
    """Give a request to the router as the proxy does; inside of a loop, or Ray's future begins one that nobody ends."""
    request = ASGIProxyRequest({"type": "http", "path": path}, receive=None, send=None)
    return PendingRequest(args=[request.serialized_replica_arg("proxy")], kwargs={}, metadata=None)
