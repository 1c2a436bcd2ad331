"""What a training or an evaluation begins with: a checkpoint, and the machine that computes."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from app.errors import InvalidSettings, WeightsUnavailable
from app.segmenter.checkpoint import build_model, load_checkpoint
from app.segmenter.device import resolve_device
from app.segmenter.weights import REGISTRY, WeightsEntry, check_file, file_sha256, find_name
from app.segmenter.weights.card import check_card, config_of, read_card
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import read_settings
from training.embedded.model import plain_attention
from training.mask_prompts import OF_THE_THESIS, UNTOLD, MaskPrompts, mask_prompts_of

Precision = Literal["auto", "float32", "bfloat16"]
RECORD = "run.json"
"""What a training's folder says of itself."""
THESIS, THESIS_CONFIG = "thesis", "sam2.1_hiera_b+"


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
    path: Path | None = None
    """None where the weights are no file."""
    mask_prompts: MaskPrompts = UNTOLD
    """As its card says that it learned them."""


def load(checkpoint: str, config: str | None) -> Loaded:
    """Load a checkpoint by the name of a pulled one, as a file, or as ``embedded``; or ``random`` weights.

    Raises
    ------
    StartupError
        It is not there, damaged, or does not fit its config; says what to do about it.
    """
    if checkpoint == "random":
        if config is None:
            raise InvalidSettings("Random weights need a config: name one with --config, such as sam2.1_hiera_t.")
        torch.manual_seed(0)
        return Loaded("random", build_model(config), config, f"random weights of {config}, seed 0")
    found = _found(checkpoint, config)
    network = load_checkpoint(found.path, found.config)
    return Loaded(found.name, network, found.config, found.sha256, found.path, _mask_prompts(found))


class _Found(NamedTuple):
    name: str
    path: Path
    config: str
    sha256: str


def _found(checkpoint: str, config: str | None) -> _Found:
    """Find a checkpoint by a known name, or as a file; its config is its own, unless one is given."""
    if checkpoint == "embedded":
        return _Found("embedded", EMBEDDED_MODEL, config or "embedded", file_sha256(EMBEDDED_MODEL))
    entry, path = find_name(checkpoint), Path(checkpoint)
    if entry is not None:
        file = _pulled(entry)
        return _Found(entry.name, file, config or entry.config, check_file(file, entry))
    if not path.is_file():
        known = ", ".join(("embedded", "random", *(each.name for each in REGISTRY)))
        raise WeightsUnavailable(f"There is no checkpoint {checkpoint!r}: it is neither a file nor one of {known}.")
    card, sha256 = read_card(path), file_sha256(path)
    if card is None:
        return _Found(path.stem, path, config or _config_of_run(path.parent) or THESIS_CONFIG, sha256)
    check_card(path, card, sha256)
    return _Found(card.name, path, config or config_of(path, card), sha256)


def _mask_prompts(found: _Found) -> MaskPrompts:
    return OF_THE_THESIS if found.name == THESIS else mask_prompts_of(found.path)


def _pulled(entry: WeightsEntry) -> Path:
    """Find published weights where they were pulled to."""
    path = entry.path_in(read_settings().weights.folder)
    if not path.is_file():
        raise WeightsUnavailable(
            f"The weights {entry.name} are not in {path.parent}:"
            f" fetch them with `python -m app weights pull {entry.name}`."
        )
    return path


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
    gpus = torch.cuda.device_count()
    known = ("auto", "cpu", *(("cuda", *(f"cuda:{number}" for number in range(gpus))) if gpus else ()))
    if device not in known:
        raise InvalidSettings(f"There is no device {device!r} here: choose among {', '.join(known)}.")
    found = resolve_device(device)
    return Machine(found, precision == "bfloat16" or (precision == "auto" and found.type == "cuda"))
