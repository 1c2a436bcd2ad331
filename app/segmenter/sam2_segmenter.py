"""SAM 2.1 without a current image: windows to embeddings, embeddings and prompts to masks.

The numbers are those of the package's own ``SAM2ImagePredictor``, which keeps its last image in itself and so cannot
serve two requests. Nothing here changes after construction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from app.geometry.masks import Mask, Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowImage
from app.segmenter.embedding import Sam2Embedding
from app.segmenter.engines.engine import Engine, FloatArray
from app.segmenter.queue import EncoderQueue
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad

_BOX_CORNERS = (2, 3)
"""Labels of a box' first and second corner in the prompt encoder."""
_PIXEL_CENTRE = 0.5
"""The prompt encoder takes indices of pixels and adds this itself; our coordinates are continuous."""


class Sam2Segmenter:
    """A SAM 2.1 model on an engine.

    Parameters
    ----------
    engine : Engine
        Runs encoder and decoder.
    info : ModelInfo
        What is said of it in every answer.
    workers, batch, max_waiting, usual_s
        See `EncoderQueue`.
    """

    def __init__(
        self,
        engine: Engine,
        info: ModelInfo,
        *,
        workers: int = 1,
        batch: int = 1,
        max_waiting: int = 32,
        usual_s: float = 0.0,
    ) -> None:
        self._engine = engine
        self._info = info
        self._queue: EncoderQueue[WindowImage, Sam2Embedding] = EncoderQueue(
            self._encode, workers=workers, batch=batch, max_waiting=max_waiting, usual_s=usual_s
        )
        self._decoding = threading.BoundedSemaphore(workers + 1)

    @property
    def info(self) -> ModelInfo:
        """Which model runs here."""
        return self._info

    @property
    def input_side_px(self) -> int:
        """Side of the square that the encoder sees."""
        return self._engine.side_px

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of the encoder is."""
        return replace(self._queue.load, device_bytes=self._engine.device_bytes)

    def place(self, claim: Claim) -> AbstractContextManager[Callable[[WindowImage], Sam2Embedding]]:
        """Take a place in the encoder's line; see `encode` for what it takes and raises."""
        return self._queue.place(claim)

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
        encoded = self._engine.encode([image.pixels for image in images])
        sizes = [(image.pixels.shape[1], image.pixels.shape[0]) for image in images]
        return [Sam2Embedding(features, size) for features, size in zip(encoded, sizes, strict=True)]

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Run the prompt encoder and the mask decoder.

        Parameters
        ----------
        embedding : Sam2Embedding
            From `encode` of a segmenter of the same weights.
        prompts : Prompts
            In the frame of the embedding's window.

        Returns
        -------
        Masks
            Three proposals, (3, s/4, s/4), over the whole window, and the single-mask token's.

        Raises
        ------
        DeviceOutOfMemory
            Try again later.
        """
        window = cast(Sam2Embedding, embedding)
        coordinates, labels = self._points(window, prompts)
        with self._decoding:
            logits, scores = self._engine.decode(window.features, coordinates, labels)
        return Masks(logits[1:], scores[1:], Mask(logits[0], float(scores[0])))

    def warm_up(self) -> None:
        """Make what would be made lazily, so that the first user does not wait for it."""
        self._engine.warm_up()

    def close(self) -> None:
        """End the encoder's threads."""
        self._queue.close()

    def _points(self, window: Sam2Embedding, prompts: Prompts) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """Give (1, 2 + n, 2) coordinates in encoder pixels and (1, 2 + n) labels, first the corners of a box."""
        scale = self.input_side_px / np.array(window.window_size, dtype=np.float64)
        places = np.concatenate([prompts.box, prompts.points]) * scale - _PIXEL_CENTRE
        labels = [*_BOX_CORNERS[: len(prompts.box)], *(int(label) for label in prompts.labels)]
        return places[None].astype(np.float32), np.array([labels], dtype=np.int32)
