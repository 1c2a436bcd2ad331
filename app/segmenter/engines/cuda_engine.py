"""A model on a GPU as recorded CUDA graphs: hundreds of small kernels, started as one.

A window of Hiera-B+ is some five hundred kernels, each shorter than what starting it takes the CPU. So the encoder is
recorded for some sizes of a batch and the decoder for some numbers of prompts, once, when the model is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from app.segmenter.embedding import Features
from app.segmenter.engines.engine import FloatArray, Pixels
from app.segmenter.engines.torch_engine import TorchEngine, memory_errors

_MOST_PROMPTS = 8
"""Corners of the box included; whoever sets more points waits some milliseconds longer."""
_CORNERS = 2
_BEFORE = 3
"""Runs before a recording: workspaces and choices of algorithms must not be part of it (source: torch's manual)."""


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
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor], pool: Any) -> None:
        self._inputs = inputs
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(inputs[0].device):
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_BEFORE):
                    function(*inputs)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):  # others may be at work
                self._outputs = function(*inputs)

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Give the function's results; the next call of any recording of the pool overwrites them."""
        for own, value in zip(self._inputs, values, strict=True):
            own.copy_(value)
        with torch.cuda.device(self._inputs[0].device):
            self._graph.replay()
        return self._outputs


Recorder = Callable[[Callable[..., tuple[Tensor, ...]], Sequence[Tensor]], Callable[..., tuple[Tensor, ...]]]


class CudaEngine(TorchEngine):
    """A SAM 2.1 model on a GPU: bfloat16, channels last, recorded. Calls take turns.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode.
    device : torch.device
        A GPU.
    batch : int
        Windows in a batch, at most.
    record : callable, optional
        What records; for tests on machines without a GPU.

    Raises
    ------
    DeviceOutOfMemory
        The GPU is too small for this batch.
    """

    def __init__(self, model: nn.Module, device: torch.device, batch: int, record: Recorder | None = None) -> None:
        super().__init__(model, device, torch.bfloat16)
        self._model.image_encoder.to(memory_format=torch.channels_last)
        self._turn = threading.Lock()
        with torch.inference_mode(), memory_errors():
            record = record or _recorder()
            self._encoders = {size: record(self._levels, [self._blank(size)]) for size in _sizes(batch)}
            levels = [level.clone() for level in self._levels(self._blank(1))]
            self._decoders = {
                count: record(self._masks, [*levels, *self._prompts(count)])
                for count in range(_CORNERS, _MOST_PROMPTS + 1)
            }

    def encode(self, windows: list[Pixels]) -> list[Features]:
        """Encode a batch of at most the size that was recorded."""
        with self._turn:
            return super().encode(windows)

    def decode(
        self, features: Features, coordinates: FloatArray, labels: npt.NDArray[np.int32]
    ) -> tuple[FloatArray, FloatArray]:
        """Run the prompt encoder and the mask decoder."""
        with self._turn:
            return super().decode(features, coordinates, labels)

    def _encoded(self, images: Tensor) -> tuple[Tensor, ...]:
        size = next(size for size in self._encoders if size >= len(images))
        blank = images.new_zeros((size - len(images), *images.shape[1:]))
        return self._encoders[size](torch.cat([images, blank]))

    def _decoded(self, *given: Tensor) -> tuple[Tensor, ...]:
        objects, prompts = given[-1].shape
        recorded = self._decoders.get(prompts) if objects == 1 else None  # many keep the GPU busy as they are
        return (recorded or self._masks)(*given)

    def _blank(self, size: int) -> Tensor:
        images = torch.zeros(size, 3, self.side_px, self.side_px, device=self._device)
        return images.to(memory_format=torch.channels_last)

    def _prompts(self, count: int) -> tuple[Tensor, Tensor]:
        middle = torch.full((1, count, 2), self.side_px / 2, device=self._device)
        return middle, torch.ones((1, count), dtype=torch.int32, device=self._device)


def _recorder() -> Recorder:
    pool = torch.cuda.graph_pool_handle()
    return lambda function, inputs: Recorded(function, inputs, pool)


def _sizes(batch: int) -> list[int]:
    """List the sizes of a batch to record: the powers of two below the largest one, and that."""
    return [2**power for power in range((batch - 1).bit_length())] + [batch]
