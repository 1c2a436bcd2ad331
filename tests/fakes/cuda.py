"""A stand-in for the few calls of torch.cuda that lanes make: streams, and graphs that are replayed.

A recording keeps every operation of torch with the very tensors that it read and wrote, and a replay runs them again
in the same memory, as a CUDA graph does. What a real recording does not survive fails here, too: looking at a value,
recording while another one is being recorded, two recordings of one memory pool at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_LOOKS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")


class FakeStream:
    """A stream: remembers its priority, that its work was waited for, and whose work it has waited for."""

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self.priority = priority
        self.waited_for = 0
        self.waits_for: list[FakeStream | None] = []

    def synchronize(self) -> None:
        self.waited_for += 1

    def wait_stream(self, stream: FakeStream | None) -> None:
        self.waits_for.append(stream)


@dataclass
class Pool:
    """Memory that recordings share; only one of them may be at work."""

    at_work: threading.Lock = field(default_factory=threading.Lock)


class FakeGraph:
    """Operations with their tensors."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.pool = Pool()
        self.cuda: FakeCuda

    def replay(self) -> None:
        assert self.pool.at_work.acquire(blocking=False), "two recordings of one pool at the same time"
        try:
            self.cuda.replayed.append((self, self.cuda.current_stream()))
            for function, given, options, results in self.operations:
                for own, new in zip(results, tree_flatten(function(*given, **options))[0], strict=True):
                    if isinstance(own, torch.Tensor) and own.data_ptr() != new.data_ptr():
                        own.copy_(new)
        finally:
            self.pool.at_work.release()


class _Recording(TorchDispatchMode):
    def __init__(self, graph: FakeGraph) -> None:
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(self, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(function) for name in _LOOKS):
            raise RuntimeError(f"{function} looks at a value, which cannot be recorded")
        result = function(*args, **(kwargs or {}))
        self._graph.operations.append((function, args, kwargs or {}, tree_flatten(result)[0]))
        return result


class FakeCuda:
    """What replaces parts of torch.cuda."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.replayed: list[tuple[FakeGraph, FakeStream | None]] = []
        self.recorded_on: dict[int, FakeStream] = {}
        self._here = threading.local()

    def current_stream(self, device: Any = None) -> FakeStream | None:
        return getattr(self._here, "stream", None)

    def stream_of(self, device: Any = None, priority: int = 0) -> FakeStream:
        self.streams.append(FakeStream(device, priority))
        return self.streams[-1]

    @contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        before, self._here.stream = self.current_stream(), stream
        try:
            yield
        finally:
            self._here.stream = before

    def graph_of(self) -> FakeGraph:
        graph = FakeGraph()
        graph.cuda = self
        return graph

    @contextmanager
    def graph(self, graph: FakeGraph, *, pool: Pool, stream: FakeStream, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local", "others are at work while something is recorded"
        assert stream is self.current_stream(), "recorded on another stream than it was warmed up on"
        graph.pool = pool
        self.recorded_on[id(graph)] = stream
        with _Recording(graph):
            yield


@contextmanager
def faked_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """Let lanes run on the CPU."""
    cuda = FakeCuda()
    for name, fake in {
        "Stream": cuda.stream_of,
        "stream": cuda.stream,
        "current_stream": cuda.current_stream,
        "device": lambda _: nullcontext(),
        "CUDAGraph": cuda.graph_of,
        "graph": cuda.graph,
        "graph_pool_handle": Pool,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    yield cuda
