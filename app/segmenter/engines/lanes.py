"""Lanes of a GPU: work in one of them takes turns with itself, and never waits for what another one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]

SOON = -1
"""Priority of a stream whose kernels go before those of others that wait (source: CUDA's manual)."""
_BEFORE = 3
"""Runs before a recording: workspaces and choices of algorithms must not be part of it (source: torch's manual)."""


class Lane:
    """A lock, a stream, and memory for recordings of which one is replayed at a time.

    Everything of a lane, warming up and recording included, happens on its one stream: cuBLAS keeps a workspace of
    some 32 MB for every stream that it has seen, and torch's allocator gives freed memory back to the stream only that
    it was taken on.

    Parameters
    ----------
    device : torch.device
        A GPU.
    priority : int
        0, or `SOON`.
    """

    def __init__(self, device: torch.device, priority: int = 0) -> None:
        self._device = device
        self._turn = threading.Lock()
        self._stream = torch.cuda.Stream(device, priority=priority)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lane; what is started within has ended on the GPU when it is left."""
        with self._turn, torch.cuda.device(self._device):
            self._stream.wait_stream(torch.cuda.current_stream(self._device))  # weights may be on their way
            with torch.cuda.stream(self._stream):
                try:
                    yield
                finally:
                    self._stream.synchronize()

    def record(self, function: Function, inputs: Sequence[Tensor]) -> Recorded:
        """Record a function for later turns; to be called within one."""
        return Recorded(function, inputs, self._pool, self._stream)


Lanes = tuple[Lane, Lane]


def lanes_of(device: torch.device) -> Lanes:
    """Give a lane to the encoder, and one to the decoder, which goes first."""
    return Lane(device), Lane(device, SOON)


class Recorded:
    """A function of tensors of fixed shapes, recorded once and replayed as a whole.

    Parameters
    ----------
    function : callable
        Tensors to tensors, on one GPU, without looking at any value.
    inputs : sequence of Tensor
        Of the shapes and types that will be given; they become the recording's own.
    pool : graph pool handle
        Memory that recordings share which are never replayed at the same time.
    stream : torch.cuda.Stream
        Where it is recorded: kernels keep the priority of this stream when they are replayed.
    """

    def __init__(self, function: Function, inputs: Sequence[Tensor], pool: Any, stream: Any) -> None:
        self._inputs = list(inputs)
        for _ in range(_BEFORE):
            function(*self._inputs)
        stream.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):  # others work
            self._outputs = function(*self._inputs)

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Give the function's results; the next call of any recording of the pool overwrites them."""
        for own, value in zip(self._inputs, values, strict=True):
            if own.shape != value.shape:
                raise ValueError(f"recorded for {tuple(own.shape)}, not {tuple(value.shape)}")
            own.copy_(value)
        self._graph.replay()
        return self._outputs
