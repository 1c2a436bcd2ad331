"""A model that takes a stated time and otherwise behaves: what is left of a request's time is the engine around it.

The line in front of the encoder is the real one, so turns, bounds and ``Retry-After`` are real too. The encoder sleeps,
which takes no core from anybody: as many replicas as one likes fit on a small machine. The masks are those of `world`.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from app.geometry.frames import Roi, SlideXY, WindowXY
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.queue import EncoderQueue
from app.settings import Settings
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad
from bench.load.world import object_in

HIERA_B_PLUS = ((256, 64, 64), (32, 256, 256), (64, 128, 128))
"""Features of one window in SAM 2.1 with Hiera-B+: 16 MiB as float32."""
VARIABLE = "BENCH_SIMULATION"
"""Of the environment: the file in which the processes of a deployment find what they simulate."""
_LOGITS_PX = 256
_SCORE = 0.9


@dataclass(frozen=True, slots=True)
class Simulation:
    """How the simulated model behaves."""

    encode_s: float = 0.2
    """Of one window."""
    decode_s: float = 0.0
    embedding_share: float = 1.0
    """Size of an embedding as a share of Hiera-B+'s 16 MiB."""
    side_px: int = 1024
    """Side of the square that it sees: larger windows are not read."""
    workers: int = 1
    """Windows encoded side by side."""
    max_waiting: int = 32

    def to_text(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Simulation:
        """Read what `to_text` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedEmbedding:
    """Bytes of the right number, and where the window lies."""

    features: tuple[npt.NDArray[np.float32], ...]
    grid: WindowGrid
    shape: tuple[int, int]
    """(rows, columns) of the window's array."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return sum(int(level.nbytes) for level in self.features)


class SimulatedSegmenter:
    """A `Segmenter` without a model.

    Parameters
    ----------
    simulation : Simulation
        Its times and sizes.
    """

    def __init__(self, simulation: Simulation = Simulation()) -> None:
        self._simulation = simulation
        self._queue: EncoderQueue[WindowImage, SimulatedEmbedding] = EncoderQueue(
            self._encode, workers=simulation.workers, max_waiting=simulation.max_waiting
        )

    @property
    def info(self) -> ModelInfo:
        """Which model runs here: none."""
        return ModelInfo("simulated", "configured", "0" * 64, "float32", "cpu", "simulated")

    @property
    def input_side_px(self) -> int:
        """Side of the square that it sees."""
        return self._simulation.side_px

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of the encoder is."""
        return self._queue.load

    def place(self, claim: Claim) -> AbstractContextManager[Callable[[WindowImage], SimulatedEmbedding]]:
        """Take a place in the encoder's line."""
        return self._queue.place(claim)

    def encode(self, image: WindowImage, claim: Claim) -> SimulatedEmbedding:
        """Sleep when the claim's turn comes; raises as the real encoder's line does."""
        return self._queue.run(image, claim)

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Give three masks of the object in the box, the second being the best."""
        time.sleep(self._simulation.decode_s)
        window = cast(SimulatedEmbedding, embedding)
        logits = _logits(window, prompts)
        return Masks(np.stack([logits - 8, logits, logits + 8]), np.array([0.5, _SCORE, 0.6], np.float32))

    def decode_each(self, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Masks]:
        """Give the masks of each object, one after the other."""
        return [self.decode(embedding, each) for each in prompts]

    def features(self, embedding: Embedding) -> npt.NDArray[np.float32]:
        """Give the coarsest level: every place is like every other."""
        return cast(SimulatedEmbedding, embedding).features[0]

    def warm_up(self) -> None:
        """Do nothing: nothing is made lazily."""

    def close(self) -> None:
        """End the line's threads."""
        self._queue.close()

    def _encode(self, images: list[WindowImage]) -> list[SimulatedEmbedding]:
        time.sleep(self._simulation.encode_s * len(images))
        scale = math.sqrt(self._simulation.embedding_share)
        shapes = [
            (channels, max(1, round(scale * rows)), max(1, round(scale * columns)))
            for channels, rows, columns in HIERA_B_PLUS
        ]
        return [
            SimulatedEmbedding(
                tuple(np.full(shape, 0.5, np.float32) for shape in shapes),
                image.grid,
                (image.pixels.shape[0], image.pixels.shape[1]),
            )
            for image in images
        ]


def from_environment(_: Settings) -> SimulatedSegmenter:
    """Make what the file of the environment asks for; the settings of the service tell nothing of it."""
    return SimulatedSegmenter(Simulation.from_text(Path(os.environ[VARIABLE]).read_text()))


def _logits(window: SimulatedEmbedding, prompts: Prompts) -> npt.NDArray[np.float32]:
    """Draw how deep each pixel lies inside the object, (256, 256) float32; a ramp, so enlarging it moves no edge."""
    corners = window.grid.to_slide(prompts.box)
    thing = object_in(Roi(*corners.ravel().tolist()))
    edges = SlideXY(np.array([[thing.x_min, thing.y_min], [thing.x_max, thing.y_max]]))
    size = np.array([window.shape[1], window.shape[0]])
    (x0, y0), (x1, y1) = WindowXY(window.grid.to_window(edges) * (_LOGITS_PX / size))
    centres = np.arange(_LOGITS_PX) + 0.5
    across, down = np.minimum(centres - x0, x1 - centres), np.minimum(centres - y0, y1 - centres)
    return np.asarray(np.minimum(across[None, :], down[:, None]), np.float32)
