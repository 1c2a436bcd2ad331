"""Where a training stands, on the disk: whole at every moment, whatever ends the process."""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from training.errors import BrokenRun, telling_of_full_disks

STATE = "state.pt"


@dataclass
class Progress:
    """Where a run stands."""

    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches of the next one that are over."""
    best_worth: float = float("-inf")
    """Of the best epoch, by what the recipe chooses it by."""
    best_iou: float = -1.0
    best_epoch: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    """One point per epoch; epoch 0 is the starting weights, which have no loss."""
    losses: list[float] = field(default_factory=list)
    """Of the steps of the epoch that is not over yet."""
    steps: int = 0
    spent_s: float = 0.0
    """Of all processes that worked on it."""


class Learner(Protocol):
    """What learns, and what is kept of it."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What changes it."""
        ...

    def learnt(self) -> dict[str, Tensor]:
        """Give every tensor that the training changes, by name; loading copies into them."""
        ...


class State:
    """The state of a run.

    Parameters
    ----------
    folder : Path
        Holds ``state.pt``.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / STATE
        self.progress = Progress()

    def resume(self, learner: Learner) -> bool:
        """Load the state where there is one; whether there was.

        Raises
        ------
        BrokenRun
            It is damaged, or another model's.
        """
        if not self.file.exists():
            return False
        try:
            state = torch.load(self.file, weights_only=True, map_location="cpu")
            with torch.no_grad():
                for name, tensor in learner.learnt().items():
                    tensor.copy_(state["trained"][name])
            learner.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])
        except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BrokenRun(f"{self.file} is damaged: {reason}. Delete it to begin again.") from error
        return True

    def save(self, learner: Learner) -> None:
        """Keep the state.

        Raises
        ------
        NoSpace
            The disk is full; the state before stays.
        """
        state = {
            "trained": {name: tensor.detach().cpu() for name, tensor in learner.learnt().items()},
            "optimizer": learner.optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        write_atomically(state, self.file)


def write_atomically(content: dict[str, Any], file: Path) -> None:
    """Save with torch: the file is the old one or the new one, never half of it.

    Raises
    ------
    NoSpace
        The disk is full.
    """
    part = file.with_suffix(".part")
    memory = io.BytesIO()  # torch's own writer hides why it failed
    torch.save(content, memory)
    with telling_of_full_disks(str(file)):
        part.write_bytes(memory.getbuffer())
    part.replace(file)
