"""A fine-tuning as a folder: its state, its checkpoints and its record, safe at every moment."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import BrokenRun, telling_of_full_disks
from training.finetune.recipe import Recipe
from training.loop import STATE, Progress, State, write_atomically
from training.models import Promptable
from training.models.opening import RECORD

__all__ = ["BEST", "LAST", "STATE", "Origin", "Run", "trained"]
BEST, LAST = "best.pt", "last.pt"
_MAY_CHANGE = {"epochs", "minutes"}
"""Of a recipe, where a run goes on."""


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
        self.state = State(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RECORD).exists():
            self._check(json.loads((folder / RECORD).read_text(encoding="utf-8")))

    def _check(self, record: dict[str, Any]) -> None:
        ours = {"recipe": _plain(asdict(self._recipe)), "origin": _plain(asdict(self._origin))}
        defaults: dict[str, dict[str, Any]] = {"recipe": _plain(asdict(Recipe())), "origin": {}}
        for part, values in ours.items():
            theirs = {**defaults[part], **record[part]}
            other = [name for name in values if values[name] != theirs.get(name) and name not in _MAY_CHANGE]
            if other:
                was, now = theirs.get(other[0]), values[other[0]]
                raise BrokenRun(
                    f"{self.folder} holds a run with another {other[0]} ({was}, now {now}):"
                    " choose another --out, or the same options."
                )

    @property
    def progress(self) -> Progress:
        """How far it is, and how well it went."""
        return self.state.progress

    def save_checkpoint(self, model: Promptable, name: str) -> None:
        """Keep the model so that `open_model` gives it back; a SAM 2 as the service loads it."""
        write_atomically(model.checkpoint(), self.folder / name)

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
