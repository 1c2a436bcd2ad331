"""Where should an embedding lie, so that the next refine finds it? ``python -m bench.routing`` measures three ways.

* ``shared``: any replica encodes; the embedding lies in Ray's object store; any replica decodes. What `scale` does.
* ``held``: any replica encodes and keeps the embedding; decodes go to that replica, by name.
* ``hashed``: the window's hash chooses the replica, for encoding and decoding; it keeps the embedding.

Replicas take 200 ms for a window and 16 MiB for its embedding; windows are asked for by Zipf's law, as people look at
the same places of a slide. No HTTP, no platform: only what differs.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import ray
import typer
from ray import serve
from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from bench.commands import program
from scale.run import cluster

_ENCODE_S, _DECODE_S = 0.2, 0.02
_SHAPES = ((256, 64, 64), (32, 256, 256), (64, 128, 128))
_KEPT = 24
"""Embeddings that a replica holds; an edge knows of as many for each replica."""
_HASHED = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"
_HELD = "bench.routing:ToTheHolder"
Features = tuple[npt.NDArray[np.float32], ...]


class Replica:
    """Encodes one window at a time, in a fixed time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._kept: OrderedDict[int, Features] = OrderedDict()
        self._name = serve.get_replica_context().replica_tag

    async def encode(self, window: int, keep: bool) -> tuple[str, Features | None]:
        """Give an embedding, or keep it here; and the name of this replica."""
        async with self._turn:
            await asyncio.sleep(_ENCODE_S)
        features = tuple(np.full(shape, float(window), np.float32) for shape in _SHAPES)
        if not keep:
            return self._name, features
        self._kept[window] = features
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._name, None

    async def decode(self, window: int, at: list[ray.ObjectRef[Any]], holder: str) -> bool:
        """Tell whether the embedding was at hand; its decoding takes a fixed time."""
        features = (await at[0])[1] if at else self._kept.get(window)
        if features is None:
            return False
        if at:
            float(features[1][0, 0, 0])
        else:
            self._kept.move_to_end(window)
        await asyncio.sleep(_DECODE_S)
        return True


class ToTheHolder(RequestRouter):
    """Sends a request to the replica that its last argument names; others to the one of two that does less."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Rank the replicas for a request."""
        asked = pending_request.args[-1] if pending_request and len(pending_request.args) == 3 else None
        named = [each for each in candidate_replicas if each.replica_id.unique_id == asked]
        two = random.sample(candidate_replicas, min(2, len(candidate_replicas)))
        return [named] if named else [two]


@dataclass
class _Seen:
    decode_s: list[float] = field(default_factory=list)
    request_s: list[float] = field(default_factory=list)
    hits: int = 0
    encodes: Counter[str] = field(default_factory=Counter)


class _Edge:
    """What an HTTP edge does with a window, in one of the three ways."""

    def __init__(self, handle: Any, way: str, keeps: int) -> None:
        self._handle, self._way, self._keeps = handle, way, keeps
        self._guard = threading.Lock()
        self._known: OrderedDict[int, tuple[str, list[ray.ObjectRef[Any]]]] = OrderedDict()
        self.seen = _Seen()

    def refine(self, window: int) -> None:
        start = time.perf_counter()
        with self._guard:
            known = self._known.get(window)
            if known:
                self._known.move_to_end(window)
        hit = known is not None and self._decode(window, known)
        if not hit:
            known = self._encode(window)
            self._decode(window, known)
        with self._guard:
            self.seen.hits += hit
            self.seen.request_s.append(time.perf_counter() - start)

    def known(self) -> list[int]:
        """List the windows whose embeddings should be at hand."""
        return list(self._known)

    def _handle_for(self, window: int) -> Any:
        return self._handle.options(session_id=f"w{window}") if self._way == "hashed" else self._handle

    def _encode(self, window: int) -> tuple[str, list[ray.ObjectRef[Any]]]:
        response = self._handle_for(window).encode.remote(window, self._way != "shared")
        name, _ = response.result()
        at = [response._to_object_ref_sync()] if self._way == "shared" else []
        with self._guard:
            self.seen.encodes[name] += 1
            self._known[window] = (name, at)
            if len(self._known) > self._keeps:
                self._known.popitem(last=False)
        return name, at

    def _decode(self, window: int, known: tuple[str, list[ray.ObjectRef[Any]]]) -> bool:
        start = time.perf_counter()
        done: bool = self._handle_for(window).decode.remote(window, known[1], known[0]).result()
        if done:
            with self._guard:
                self.seen.decode_s.append(time.perf_counter() - start)
        return done


def measure(way: str, replicas: int, people: int, requests: int, windows: int) -> dict[str, float | str]:
    """Let people ask for windows in one way."""
    routers = {"hashed": _HASHED, "held": _HELD}
    options: dict[str, Any] = {"num_replicas": replicas, "max_ongoing_requests": 100}
    if way in routers:
        options["request_router_config"] = {"request_router_class": routers[way]}
    deployment: Any = serve.deployment
    handle = serve.run(
        deployment(Replica, name="replica").options(**options, ray_actor_options={"num_cpus": 1}).bind(),
        name=way,
        route_prefix=None,
    )
    edge = _Edge(handle, way, replicas * _KEPT)
    asked = np.minimum(np.random.default_rng(7).zipf(1.3, requests), windows)
    start = time.perf_counter()
    with ThreadPoolExecutor(people) as pool:
        list(pool.map(edge.refine, asked.tolist()))
    spent = time.perf_counter() - start
    seen = edge.seen
    again = _encodes_after_a_death(edge, way, people)
    serve.delete(way)
    shares = sorted(seen.encodes.values())
    return {
        "way": way,
        "requests_per_s": requests / spent,
        "hit_rate": seen.hits / requests,
        "decode_median_ms": 1e3 * float(np.median(seen.decode_s)) - 1e3 * _DECODE_S,
        "decode_p95_ms": 1e3 * float(np.percentile(seen.decode_s, 95)) - 1e3 * _DECODE_S,
        "request_p95_ms": 1e3 * float(np.percentile(seen.request_s, 95)),
        "encodes": sum(shares),
        "busiest_over_mean": shares[-1] * replicas / sum(shares),
        "encoded_again_after_a_death": again,
    }


def _encodes_after_a_death(edge: _Edge, way: str, people: int) -> float:
    """Kill a replica, ask for everything that was known once more, and tell which share had to be encoded again."""
    seen, edge.seen = edge.seen, _Seen()
    known = edge.known()
    named = ray.util.list_named_actors(all_namespaces=True)
    victim = next(each for each in named if each["name"].startswith(f"SERVE_REPLICA::{way}#"))
    ray.kill(ray.get_actor(victim["name"], namespace=victim["namespace"]))
    time.sleep(1)
    with ThreadPoolExecutor(people) as pool:
        list(pool.map(edge.refine, known))
    again, edge.seen = edge.seen, seen
    return sum(again.encodes.values()) / len(known)


def main(
    replicas: Annotated[int, typer.Option(min=1, help="How many replicas.")] = 4,
    people: Annotated[int, typer.Option(min=1, help="How many people ask.")] = 12,
    requests: Annotated[int, typer.Option(min=1, help="How many requests.")] = 400,
    windows: Annotated[int, typer.Option(min=1, help="How many windows they ask about.")] = 120,
    out: Annotated[Path | None, typer.Option(help="Write the figures here, as JSON.")] = None,
) -> None:
    """Measure all ways, one after the other."""
    with cluster(object_bytes=2**31):
        rows = [measure(way, replicas, people, requests, windows) for way in ("shared", "held", "hashed")]
    for row in rows:
        typer.echo(
            "  ".join(f"{name} {each:.3g}" if isinstance(each, float) else f"{each}" for name, each in row.items())
        )
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    program(main)()
