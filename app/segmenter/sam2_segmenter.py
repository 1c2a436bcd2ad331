"""SAM 2.1 without a current image: windows to embeddings, embeddings and prompts to masks.

The numbers are those of the package's own ``SAM2ImagePredictor``, which keeps its last image in itself and so cannot
serve two requests. Nothing here changes after construction.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from app.errors import DeviceOutOfMemory
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.engines.torch_encoder import Encoder, TorchEncoder
from app.segmenter.queue import EncoderQueue
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
"""ImageNet's statistics, RGB in [0, 1]; source: the package's transforms."""
_BOX_CORNERS = (2, 3)
"""Labels of a box' first and second corner in the prompt encoder."""
_PIXEL_CENTRE = 0.5
"""The prompt encoder takes indices of pixels and adds this itself; our coordinates are continuous."""


@dataclass(frozen=True, slots=True, eq=False)
class Sam2Embedding:
    """The encoder's output for one window."""

    image: Tensor
    """(1, c, s/16, s/16): the features that the decoder attends to."""
    high_resolution: tuple[Tensor, ...]
    """(1, c/8, s/4, s/4) and (1, c/4, s/8, s/8): finer features for the masks' borders."""
    window_size: tuple[int, int]
    """(columns, rows) of the window's array."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes, on the device."""
        return int(self.image.nbytes) + sum(int(finer.nbytes) for finer in self.high_resolution)


class Sam2Segmenter:
    """A SAM 2.1 model on a device.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode.
    info : ModelInfo
        What is said of it in every answer.
    device : torch.device
        Where it runs.
    encoder : Encoder
        Runs the image encoder; default: the model's own, in float32.
    workers, batch, max_waiting : int
        See `EncoderQueue`.
    """

    def __init__(
        self,
        model: nn.Module,
        info: ModelInfo,
        device: torch.device,
        encoder: Encoder | None = None,
        *,
        workers: int = 1,
        batch: int = 1,
        max_waiting: int = 32,
    ) -> None:
        self._model = cast(Any, model.to(device))
        self._info = info
        self._device = device
        self._encoder = encoder or TorchEncoder(self._model)
        self._queue: EncoderQueue[WindowImage, Sam2Embedding] = EncoderQueue(
            self._encode, workers=workers, batch=batch, max_waiting=max_waiting
        )
        self._decoding = threading.BoundedSemaphore(workers + 1)
        self._mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(_STD, device=device).view(1, 3, 1, 1)

    @property
    def info(self) -> ModelInfo:
        """Which model runs here."""
        return self._info

    @property
    def input_side_px(self) -> int:
        """Side of the square that the encoder sees."""
        return int(self._model.image_size)

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of the encoder is."""
        load = self._queue.load
        on_gpu = self._device.type == "cuda"
        return replace(load, device_bytes=torch.cuda.memory_reserved(self._device)) if on_gpu else load

    def encode(self, image: WindowImage, claim: Claim) -> Sam2Embedding:
        """Run the image encoder when the claim's turn comes.

        Parameters
        ----------
        image : WindowImage
            (h, w, 3) uint8 RGB of any size; squashed to the encoder's square.
        claim : Claim
            Who waits, and how long.

        Raises
        ------
        ModelBusy, DeviceOutOfMemory
            Try again later.
        CallerGone
            Nobody waits any more.
        """
        return self._queue.run(image, claim)

    def _encode(self, images: list[WindowImage]) -> list[Sam2Embedding]:
        """Encode a batch; each embedding has tensors of its own, so that none keeps the others alive."""
        with torch.inference_mode(), _memory_errors():
            *finer, coarsest = self._encoder(torch.cat([self._normalised(image.pixels) for image in images]))
            return [
                Sam2Embedding(
                    coarsest[at : at + 1].clone(),
                    tuple(level[at : at + 1].clone() for level in finer),
                    (image.pixels.shape[1], image.pixels.shape[0]),
                )
                for at, image in enumerate(images)
            ]

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Run the prompt encoder and the mask decoder.

        Parameters
        ----------
        embedding : Sam2Embedding
            From `encode` of this segmenter.
        prompts : Prompts
            In the frame of the embedding's window.

        Returns
        -------
        Masks
            Three proposals, (3, s/4, s/4), over the whole window.

        Raises
        ------
        DeviceOutOfMemory
            Try again later.
        """
        window = cast(Sam2Embedding, embedding)
        with self._decoding, torch.inference_mode(), _memory_errors():
            coordinates, labels = self._points(window, prompts)
            sparse, dense = self._model.sam_prompt_encoder(points=(coordinates, labels), boxes=None, masks=None)
            logits, scores, _, _ = self._model.sam_mask_decoder(
                image_embeddings=window.image,
                image_pe=self._model.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
                repeat_image=False,
                high_res_features=list(window.high_resolution),
            )
            return Masks(logits[0].float().cpu().numpy(), scores[0].float().cpu().numpy())

    def warm_up(self) -> None:
        """Run the model once on a blank window, so that the first user does not wait for lazy initialisations."""
        side = self.input_side_px
        blank = WindowImage(np.full((side, side, 3), 255, dtype=np.uint8), WindowGrid(0, 0, 1, 1))
        corners = np.array([[side / 4, side / 4], [3 * side / 4, 3 * side / 4]])
        self.decode(self.encode(blank, Claim()), Prompts(corners, np.empty((0, 2)), ()))  # type: ignore[arg-type]

    def close(self) -> None:
        """End the encoder's threads."""
        self._queue.close()

    def _normalised(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """Squash to the encoder's square, (1, 3, s, s) float32: bilinear, antialiased, as the package does it."""
        image = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1).unsqueeze(0).float() / 255
        size = (self.input_side_px, self.input_side_px)
        if image.shape[-2:] != size:
            image = interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        return (image - self._mean) / self._std

    def _points(self, window: Sam2Embedding, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Give (1, 2 + n, 2) coordinates in encoder pixels and (1, 2 + n) labels, the box' corners first."""
        scale = self.input_side_px / np.array(window.window_size, dtype=np.float64)
        places = np.concatenate([prompts.box, prompts.points]) * scale - _PIXEL_CENTRE
        labels = [*_BOX_CORNERS, *(int(label) for label in prompts.labels)]
        return (
            torch.tensor(places[None], dtype=torch.float32, device=self._device),
            torch.tensor([labels], dtype=torch.int32, device=self._device),
        )


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Name the one failure of a device that passes by itself."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceOutOfMemory("The device has no memory left for this window.", retry_after_s=5.0) from error
    except RuntimeError as error:
        if "not enough memory" in str(error):  # what the CPU's allocator says
            raise DeviceOutOfMemory("The machine has no memory left for this window.", retry_after_s=5.0) from error
        raise
