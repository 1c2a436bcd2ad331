"""A model on a GPU as recorded CUDA graphs: hundreds of small kernels, started as one.

A window of Hiera-B+ is some five hundred kernels, each shorter than what starting it takes the CPU. So the encoder is
recorded for some sizes of a batch and the decoder for some numbers of prompts, once, when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from app.segmenter.embedding import Features
from app.segmenter.engines.engine import Pixels
from app.segmenter.engines.lanes import Function, lanes_of
from app.segmenter.engines.torch_engine import TorchEngine, memory_errors

_MOST_PROMPTS = 8
"""Corners of the box included; whoever sets more points waits some milliseconds longer."""
_CORNERS = 2

Fuse = Callable[[Function, Sequence[Tensor]], Function]
"""Takes a function and an example of each shape that it will see."""


class CudaEngine(TorchEngine):
    """A SAM 2.1 model on a GPU: half precision, channels last, recorded.

    Encoder and decoder have a lane each, where they are recorded, too.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode.
    device : torch.device
        A GPU.
    batch : int
        Windows in a batch, at most.
    precision : torch.dtype
        bfloat16 or float16.
    fuse : callable, optional
        What compiles the encoder before it is recorded.

    Raises
    ------
    DeviceOutOfMemory
        The GPU is too small for this batch.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        batch: int,
        precision: torch.dtype = torch.bfloat16,
        fuse: Fuse | None = None,
    ) -> None:
        encoding, decoding = lanes_of(device)
        super().__init__(model, device, precision, lanes=(encoding, decoding))
        self._model.image_encoder.to(memory_format=torch.channels_last)
        with torch.inference_mode(), memory_errors():
            with encoding.turn():
                blanks = {size: self._blank(size) for size in _sizes(batch)}
                encode = fuse(self._levels, list(blanks.values())) if fuse else self._levels
                self._encoders = {size: encoding.record(encode, [blank]) for size, blank in blanks.items()}
                levels = [level.clone() for level in self._encoders[1](blanks[1])]
            with decoding.turn():
                self._decoders = {
                    count: decoding.record(self._masks, [*levels, *self._prompts(count)])
                    for count in range(_CORNERS, _MOST_PROMPTS + 1)
                }
        if device.type == "cuda":
            torch.cuda.empty_cache()  # what only warming up has taken

    def encode(self, windows: list[Pixels]) -> list[Features]:
        """Encode a batch, in as few recorded sizes as make it up: nobody pays for a window that is not there."""
        parts, found = iter(windows), []
        for size in split(len(windows), list(self._encoders)):
            found += super().encode(list(islice(parts, size)))
        return found

    def _encoded(self, images: Tensor) -> tuple[Tensor, ...]:
        return self._encoders[len(images)](images)

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


def _sizes(batch: int) -> list[int]:
    """List the sizes of a batch to record: the powers of two below the largest one, and that."""
    return [2**power for power in range((batch - 1).bit_length())] + [batch]


def split(count: int, sizes: Sequence[int]) -> list[int]:
    """Make a batch up of recorded sizes, the largest first: 5 are 4 and 1."""
    parts = []
    for size in sorted(sizes, reverse=True):
        parts += [size] * (count // size)
        count %= size
    return parts
