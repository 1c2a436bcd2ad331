"""SAM 2.1 without a current image: windows to embeddings, embeddings and prompts to masks.

The numbers are those of the package's own ``SAM2ImagePredictor``, which keeps its last image in itself and so cannot
serve two requests. Nothing here changes after construction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from app.geometry.masks import Mask, Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowImage
from app.segmenter.embedding import Sam2Embedding, compared
from app.segmenter.engines.engine import Engine, FloatArray
from app.segmenter.queue import EncoderQueue
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad

_BOX_CORNERS = (2, 3)
"""Labels of a box' first and second corner in the prompt encoder."""
_PIXEL_CENTRE = 0.5
"""The prompt encoder takes indices of pixels and adds this itself; our coordinates are continuous."""

DECODED_TOGETHER_PX = 2**23
"""Objects of one window that are decoded together, times the pixels of the encoder's square: 8 objects of a model of
1,024 px, which take some 300 MB, or 128 of one of 256 px."""


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
        (masks,) = self.decode_each(embedding, [prompts])
        return masks

    def decode_each(self, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Masks]:
        """Run the prompt encoder and the mask decoder for several objects of one window.

        Parameters
        ----------
        embedding : Sam2Embedding
            From `encode` of a segmenter of the same weights.
        prompts : sequence of Prompts
            Of each object, in the frame of the embedding's window. Those of equal numbers of prompts are run together,
            as many as `DECODED_TOGETHER_PX` allows; between two runs others have their turn.

        Returns
        -------
        list of Masks
            In the order of the prompts; see `decode`.

        Raises
        ------
        DeviceOutOfMemory
            Try again later.
        """
        window = cast(Sam2Embedding, embedding)
        placed = [self._points(window, each) for each in prompts]
        found: dict[int, Masks] = {}
        for together in self._runs([len(labels) for _, labels in placed]):
            coordinates = np.stack([placed[at][0] for at in together])
            labels = np.stack([placed[at][1] for at in together])
            with self._decoding:
                logits, scores = self._engine.decode(window.features, coordinates, labels)
            for at, own, score in zip(together, logits, scores, strict=True):
                found[at] = Masks(own[1:], score[1:], Mask(own[0], float(score[0])))
        return [found[at] for at in range(len(prompts))]

    def features(self, embedding: Embedding) -> FloatArray:
        """Give what the encoder saw, to compare places by.

        Parameters
        ----------
        embedding : Sam2Embedding
            From `encode`.

        Returns
        -------
        (c, s/8, s/8) float32
            Over the whole window; see `app.segmenter.embedding.compared`.
        """
        return compared(cast(Sam2Embedding, embedding))

    def warm_up(self) -> None:
        """Make what would be made lazily, so that the first user does not wait for it."""
        self._engine.warm_up()

    def close(self) -> None:
        """End the encoder's threads."""
        self._queue.close()

    def _points(self, window: Sam2Embedding, prompts: Prompts) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """Give (2 + n, 2) coordinates in encoder pixels and (2 + n,) labels, first the corners of a box."""
        scale = self.input_side_px / np.array(window.window_size, dtype=np.float64)
        places = np.concatenate([prompts.box, prompts.points]) * scale - _PIXEL_CENTRE
        labels = [*_BOX_CORNERS[: len(prompts.box)], *(int(label) for label in prompts.labels)]
        return places.astype(np.float32), np.array(labels, dtype=np.int32)

    def _runs(self, sizes: list[int]) -> Iterator[list[int]]:
        """Put objects of equal numbers of prompts together, up to what is decoded at a time."""
        most = max(1, DECODED_TOGETHER_PX // self.input_side_px**2)
        for size in sorted(set(sizes)):
            alike = [at for at, each in enumerate(sizes) if each == size]
            yield from (alike[start : start + most] for start in range(0, len(alike), most))
