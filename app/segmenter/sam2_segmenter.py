"""SAM 2.1 without a current image: windows to embeddings, embeddings and prompts to masks.

The numbers are those of the package's own ``SAM2ImagePredictor``, which keeps its last image in itself and so cannot
serve two requests. Nothing here changes after construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from app.segmenter.turnstile import Turnstile
from app.usecases.ports import Embedding, ModelInfo

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
    turnstile : Turnstile
        Bounds the calls.
    """

    def __init__(self, model: nn.Module, info: ModelInfo, device: torch.device, turnstile: Turnstile) -> None:
        self._model = cast(Any, model.to(device))
        self._info = info
        self._device = device
        self._turnstile = turnstile
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

    def encode(self, image: WindowImage) -> Sam2Embedding:
        """Run the image encoder.

        Parameters
        ----------
        image : WindowImage
            (h, w, 3) uint8 RGB of any size; squashed to the encoder's square.

        Raises
        ------
        ModelBusy, DeviceOutOfMemory
            Try again later.
        """
        with self._turnstile.turn(), torch.inference_mode(), _memory_errors():
            features = self._model.forward_image(self._normalised(image.pixels))["backbone_fpn"]
            *finer, coarsest = features[-self._model.num_feature_levels :]
            if self._model.directly_add_no_mem_embed:
                coarsest = coarsest + self._model.no_mem_embed.view(1, -1, 1, 1)
            rows, columns = image.pixels.shape[:2]
            return Sam2Embedding(coarsest, tuple(finer), (columns, rows))

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
        ModelBusy, DeviceOutOfMemory
            Try again later.
        """
        window = cast(Sam2Embedding, embedding)
        with self._turnstile.turn(), torch.inference_mode(), _memory_errors():
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
        self.decode(self.encode(blank), Prompts(corners, np.empty((0, 2)), ()))  # type: ignore[arg-type]

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
