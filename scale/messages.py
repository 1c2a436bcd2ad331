"""What travels between the HTTP edge and the replicas of the model; everything here is frozen and can be pickled."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.geometry.masks import Masks
from app.spans import Notes
from app.usecases.ports import Claim, Embedding, ModelInfo, QueueLoad


@dataclass(frozen=True, slots=True)
class About:
    """What a replica says of itself."""

    info: ModelInfo
    input_side_px: int
    load: QueueLoad


@dataclass(frozen=True, slots=True)
class Ticket:
    """A claim on its way: clocks differ between machines, so it holds the seconds that remain."""

    id: str
    """By which it is given up."""
    user: Hashable
    ahead: bool
    remaining_s: float

    @classmethod
    def of(cls, id_: str, claim: Claim) -> Ticket:
        """Write a claim down."""
        return cls(id_, claim.user, claim.ahead, claim.deadline - time.monotonic())

    def claim(self, given_up: Callable[[], bool]) -> Claim:
        """Read it, on the clock of this machine."""
        return Claim(self.user, self.ahead, time.monotonic() + self.remaining_s, given_up)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An embedding, and whose it is."""

    info: ModelInfo
    embedding: Embedding
    notes: Notes = field(default_factory=Notes)
    """For the trace of the request: how long the window waited."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Masks of each object, and whose they are."""

    info: ModelInfo
    masks: list[Masks]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the encoder saw in a window, and which encoder that was."""

    info: ModelInfo
    features: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OtherWeights:
    """A replica could not decode, because the embedding is of weights that it does not have."""

    info: ModelInfo
    """Of the weights that it has."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A replica could not decode, because the embedding went down with the machine or process that held it."""
