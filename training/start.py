"""What a training or an evaluation begins with: a checkpoint, and the machine that computes."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from app.errors import InvalidSettings
from app.segmenter.checkpoint import build_model, load_checkpoint
from app.segmenter.device import resolve_device
from app.segmenter.weights import file_sha256, find_name
from app.segmenter.weights.card import check_card, read_card
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import read_settings
from training.embedded.model import plain_attention

Precision = Literal["auto", "float32", "bfloat16"]
RECORD = "run.json"
"""What a training's folder says of itself."""
THESIS_CONFIG = "sam2.1_hiera_b+"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how precisely a model is trained."""

    device: torch.device
    mixed: bool
    """bfloat16 where torch holds it to be safe; the parameters stay float32."""

    def autocast(self) -> AbstractContextManager[Any]:
        """Run a block in this precision."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.mixed else nullcontext()

    def attention(self) -> AbstractContextManager[Any]:
        """Run a block with the attention that is quickest backward."""
        return plain_attention() if self.device.type == "cpu" else nullcontext()


@dataclass(frozen=True)
class Loaded:
    """A checkpoint, loaded."""

    name: str
    network: nn.Module
    config: str
    sha256: str


def load(checkpoint: str, config: str | None) -> Loaded:
    """Load a checkpoint by the name of a pulled one, as a file, or as ``embedded``; or ``random`` weights.

    Raises
    ------
    StartupError
        It is not there, damaged, or does not fit its config.
    """
    if checkpoint == "random":
        if config is None:
            raise InvalidSettings("Random weights need a config: name one with --config, such as sam2.1_hiera_t.")
        torch.manual_seed(0)
        return Loaded("random", build_model(config), config, f"random weights of {config}, seed 0")
    if checkpoint == "embedded":
        path, name, config = EMBEDDED_MODEL, "embedded", config or "embedded"
    elif entry := find_name(checkpoint):
        path, name, config = entry.path_in(read_settings().weights.folder), entry.name, config or entry.config
    else:
        path = Path(checkpoint)
        card, name = read_card(path), path.stem
        if card is not None:
            check_card(path, card, file_sha256(path))
            name, config = card.name, config or card.config
        config = config or _config_of_run(path.parent)
    config = config or THESIS_CONFIG
    return Loaded(name, load_checkpoint(path, config), config, file_sha256(path))


def _config_of_run(folder: Path) -> str | None:
    """Find the config of a checkpoint that lies in a training's folder."""
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["origin"]["config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def machine(device: str, precision: Precision) -> Machine:
    """Choose where to compute, and how precisely.

    Raises
    ------
    InvalidSettings
        The device is not there.
    """
    found = resolve_device(device)
    return Machine(found, precision == "bfloat16" or (precision == "auto" and found.type == "cuda"))
