"""A fine-tuning as a folder: its state, its checkpoints and its record, safe at every moment."""

from __future__ import annotations

import io
import json
import pickle
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import BrokenRun, telling_of_full_disks
from training.finetune.recipe import Recipe
from training.models import Promptable
from training.models.opening import RECORD

BEST, LAST, STATE = "best.pt", "last.pt", "state.pt"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run began with."""

    checkpoint: str
    checkpoint_sha256: str
    config: str
    dataset: str
    dataset_sha256: str
    items: dict[str, int]
    """Split to number of items."""


@dataclass
class Progress:
    """Where a run stands."""

    epoch: int = 0
    """Epochs that are over."""
    batch: int = 0
    """Batches of the next one that are over."""
    best_iou: float = -1.0
    best_epoch: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    """One point per epoch; epoch 0 is the starting weights, which have no loss."""
    losses: list[float] = field(default_factory=list)
    """Of the batches of the epoch that is not over yet."""


class Run:
    """A run's folder.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; an earlier run of the same recipe, data and weights goes on.

    Raises
    ------
    BrokenRun
        The folder holds another run.
    """

    def __init__(self, folder: Path, recipe: Recipe, origin: Origin) -> None:
        self.folder, self._recipe, self._origin = folder, recipe, origin
        self.progress = Progress()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RECORD).exists():
            self._check(json.loads((folder / RECORD).read_text(encoding="utf-8")))

    def _check(self, record: dict[str, Any]) -> None:
        ours = {"recipe": _plain(asdict(self._recipe)), "origin": _plain(asdict(self._origin))}
        for part, values in ours.items():
            theirs = dict(record[part])
            other = [name for name in values if values[name] != theirs.get(name) and name != "epochs"]
            if other:
                was, now = theirs.get(other[0]), values[other[0]]
                raise BrokenRun(
                    f"{self.folder} holds a run with another {other[0]} ({was}, now {now}):"
                    " choose another --out, or the same options."
                )

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Load the state where there is one; whether there was."""
        file = self.folder / STATE
        if not file.exists():
            return False
        try:
            state = torch.load(file, weights_only=True, map_location="cpu")
            with torch.no_grad():
                for name, parameter in trained(model).items():
                    parameter.copy_(state["trained"][name])
            optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])
        except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise BrokenRun(f"{file} is damaged: {str(error).splitlines()[0]}. Delete it to begin again.") from error
        return True

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keep the state and the record."""
        state = {
            "trained": {name: value.detach().cpu() for name, value in trained(model).items()},
            "optimizer": optimizer.state_dict(),
            "progress": asdict(self.progress),
        }
        _write(state, self.folder / STATE)
        self.write_record()

    def save_checkpoint(self, model: Promptable, name: str) -> None:
        """Keep the model so that `open_model` gives it back; a SAM 2 as the service loads it."""
        _write(model.checkpoint(), self.folder / name)

    def write_record(self) -> None:
        """Say what was done, beside what came out."""
        record = {
            "recipe": asdict(self._recipe),
            "origin": asdict(self._origin),
            "epochs": self.progress.epoch,
            "best_epoch": self.progress.best_epoch,
            "best_validation_iou": self.progress.best_iou,
            "curve": self.progress.curve,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        }
        part = self.folder / f"{RECORD}.part"
        with telling_of_full_disks(str(part)):
            part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.replace(self.folder / RECORD)


def trained(model: nn.Module) -> dict[str, Tensor]:
    """Give the parameters that learn."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Give values as they look after a turn through JSON."""
    return dict(json.loads(json.dumps(values)))


def _write(content: dict[str, Any], file: Path) -> None:
    part = file.with_suffix(".part")
    memory = io.BytesIO()  # torch's own writer hides why it failed
    torch.save(content, memory)
    with telling_of_full_disks(str(file)):
        part.write_bytes(memory.getbuffer())
    part.replace(file)
