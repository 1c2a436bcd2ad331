"""A model on torch itself: the reference for every other engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from app.errors import DeviceOutOfMemory
from app.segmenter.embedding import Features
from app.segmenter.engines.engine import MEAN, STD, FloatArray, Pixels, corners_of
from app.segmenter.engines.lanes import Lanes
from app.segmenter.engines.lean import leaned

_Turn = Callable[[], AbstractContextManager[None]]


class TorchEngine:
    """A SAM 2.1 model on a device.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode.
    device : torch.device
        Where it runs.
    precision : torch.dtype
        Of the encoder: float32, or bfloat16 or float16 for products of matrices; the rest stays as it is.
    tf32 : bool
        Whether a GPU's products of float32 may keep ten bits of each factor (TF32), in encoder and decoder.
    lanes : (Lane, Lane), optional
        Of the encoder and of the decoder, on a GPU: a click is decoded while windows are encoded, and before them.
    """

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        precision: torch.dtype = torch.float32,
        *,
        tf32: bool = False,
        lanes: Lanes | None = None,
    ) -> None:
        self._model = cast(Any, leaned(model.to(device), precision))
        self._device = device
        self._precision = precision
        self._tf32 = tf32
        encoding, decoding = lanes or (None, None)
        self._encoders_turn: _Turn = encoding.turn if encoding else nullcontext
        self._decoders_turn: _Turn = decoding.turn if decoding else nullcontext
        self._mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(STD, device=device).view(1, 3, 1, 1)

    @property
    def side_px(self) -> int:
        """Side of the square that the encoder sees."""
        return int(self._model.image_size)

    @property
    def device_bytes(self) -> int:
        """Memory taken on a GPU."""
        return torch.cuda.memory_reserved(self._device) if self._device.type == "cuda" else 0

    def warm_up(self) -> None:
        """Run a blank window: torch chooses its algorithms for a shape when it sees it for the first time."""
        (features,) = self.encode([np.full((self.side_px, self.side_px, 3), 255, np.uint8)])
        self.decode(features, *corners_of(self.side_px))

    def encode(self, windows: list[Pixels]) -> list[Features]:
        """Encode a batch; each window's features have memory of their own, so that none keeps the others alive."""
        with self._encoders_turn(), torch.inference_mode(), memory_errors():
            self._set_products()
            levels = self._encoded(torch.cat([self._normalised(pixels) for pixels in windows]))
            found = [tuple(self._own(level[at : at + 1]) for level in levels) for at in range(len(windows))]
            if self._device.type == "cuda":  # so that whoever waits for the encoder waits for this one, too
                torch.cuda.current_stream(self._device).synchronize()
            return found

    def decode(
        self, features: Features, coordinates: FloatArray, labels: npt.NDArray[np.int32]
    ) -> tuple[FloatArray, FloatArray]:
        """Run the prompt encoder and the mask decoder."""
        with self._decoders_turn(), torch.inference_mode(), memory_errors():
            self._set_products()
            levels = [self._tensor(level) for level in features]
            points = (torch.as_tensor(coordinates, device=self._device), torch.as_tensor(labels, device=self._device))
            logits, scores = self._decoded(*levels, *points)
            return logits.float().cpu().numpy(), scores.float().cpu().numpy()

    def _encoded(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the encoder; gives levels of a batch, float32."""
        return self._levels(images)

    def _decoded(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Run the decoder; takes a window's levels, coordinates and labels, and gives logits and scores."""
        return self._masks(*given)

    def _levels(self, images: Tensor) -> tuple[Tensor, ...]:
        mixed = self._precision != torch.float32
        half = self._precision if mixed else torch.bfloat16
        with torch.autocast(self._device.type, half, enabled=mixed, cache_enabled=False):
            return tuple(level.float() for level in features(self._model, images))

    def _masks(self, *given: Tensor) -> tuple[Tensor, ...]:
        *levels, coordinates, labels = given
        return decoded(self._model, levels, coordinates, labels)

    def _set_products(self) -> None:
        """Say for the process how products of float32 are computed; torch's own choice differs between layers."""
        torch.backends.cuda.matmul.allow_tf32 = self._tf32
        torch.backends.cudnn.allow_tf32 = self._tf32

    def _tensor(self, level: Any) -> Tensor:
        """Bring features to the device; what lies in memory that others share is copied, as torch asks for it."""
        shared = isinstance(level, np.ndarray) and not level.flags.writeable
        return torch.as_tensor(level.copy() if shared else level, device=self._device)

    def _own(self, level: Tensor) -> Any:
        copy = level.clone()
        return copy.numpy() if self._device.type == "cpu" else copy

    def _normalised(self, pixels: Pixels) -> Tensor:
        """Squash to the encoder's square, (1, 3, s, s) float32, on the device."""
        image = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1).unsqueeze(0).float() / 255
        size = (self.side_px, self.side_px)
        if image.shape[-2:] != size:
            image = interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        return (image - self._mean) / self._std


def features(model: Any, images: Tensor) -> tuple[Tensor, ...]:
    """Run the encoder and its neck as the package's image predictor does.

    Returns
    -------
    tuple of Tensor
        (n, c/8, s/4, s/4), (n, c/4, s/8, s/8) and (n, c, s/16, s/16), the last
        with the embedding for "no memory" added.
    """
    *finer, coarsest = model.forward_image(images)["backbone_fpn"][-model.num_feature_levels :]
    if model.directly_add_no_mem_embed:
        coarsest = coarsest + model.no_mem_embed.view(1, -1, 1, 1)
    return (*finer, coarsest)


def decoded(model: Any, levels: list[Tensor], coordinates: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Run the prompt encoder and the mask decoder for one window; gives logits and scores of all its four masks.

    They come out of one run of the decoder, which leaves one or three of them away at its end; nothing here does.
    Each row of the prompts is an object of its own.
    """
    *finer, coarsest = levels
    coarsest = coarsest.expand(coordinates.shape[0], -1, -1, -1)
    sparse, dense = model.sam_prompt_encoder(points=(coordinates, labels), boxes=None, masks=None)
    logits, scores, _, _ = model.sam_mask_decoder.predict_masks(
        image_embeddings=coarsest,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=finer,
    )
    return logits, scores


@contextmanager
def memory_errors() -> Iterator[None]:
    """Name the one failure of a device that passes by itself."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory("The device does not have enough memory for this window.", retry_after_s=5.0) from error
    except RuntimeError as error:
        if "not enough memory" in str(error):  # what the CPU's allocator says
            raise DeviceOutOfMemory(
                "The machine does not have enough memory for this window.", retry_after_s=5.0
            ) from error
        raise
