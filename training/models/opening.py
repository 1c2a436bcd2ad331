"""The one door: a checkpoint and a config to a model that can be trained and evaluated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import torch
from torch import nn

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.checkpoint import build_model, load_checkpoint
from app.segmenter.weights import REGISTRY, WeightsEntry, check_file, file_sha256, find_name
from app.segmenter.weights.card import check_card, config_of, read_card
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import read_settings
from training.mask_prompts import CARD_MEMBER, OF_THE_THESIS, UNTOLD, MaskPrompts, mask_prompts_of, read_mask_prompts
from training.models.promptable import Promptable
from training.models.sam2 import Sam2

RECORD = "run.json"
"""What a training's folder says of itself."""
THESIS, THESIS_CONFIG = "thesis", "sam2.1_hiera_b+"


@dataclass(frozen=True)
class Loaded:
    """A checkpoint, loaded."""

    name: str
    model: Promptable
    config: str
    sha256: str
    path: Path | None = None
    """None where the weights are no file."""

    @property
    def network(self) -> nn.Module:
        """All parameters of the model."""
        return self.model.network

    @property
    def mask_prompts(self) -> MaskPrompts:
        """As the checkpoint learned them."""
        return self.model.mask_prompts


def open_model(checkpoint: str, config: str | None = None) -> Loaded:
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
        return Loaded("random", Sam2(build_model(config)), config, f"random weights of {config}, seed 0")
    found = _found(checkpoint, config)
    network = load_checkpoint(found.path, found.config)
    return Loaded(found.name, Sam2(network, _mask_prompts(found)), found.config, found.sha256, found.path)


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


def _mask_prompts(found: _Found) -> MaskPrompts:
    """Find how a checkpoint that loads learned mask prompts: its card says it, or the file itself."""
    if found.name == THESIS:
        return OF_THE_THESIS
    on_its_card = mask_prompts_of(found.path)
    if on_its_card != UNTOLD:
        return on_its_card
    content: Any = torch.load(found.path, map_location="cpu", weights_only=True, mmap=is_zipfile(found.path))
    try:
        return read_mask_prompts(content.get(CARD_MEMBER))
    except ValueError as error:
        raise WeightsCorrupt(f"The checkpoint {found.path} is damaged: {error}.") from error
