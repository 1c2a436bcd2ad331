"""The one door: a checkpoint and a config to a model that can be trained and evaluated."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import torch
from torch import nn

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.checkpoint import build_model, check_keys, load_checkpoint, read_state
from app.segmenter.weights import WeightsEntry, check_file, file_sha256
from app.segmenter.weights.card import check_card, config_of, read_card
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import read_settings
from training.mask_prompts import CARD_MEMBER, OF_THE_THESIS, UNTOLD, MaskPrompts, mask_prompts_of, read_mask_prompts
from training.models.architecture import Architecture, architecture_of
from training.models.histology import CONFIG, PARTS, Histology, Part
from training.models.promptable import Promptable
from training.models.published import find_published, find_published_digest, published_names
from training.models.sam1 import Sam1, build_sam1
from training.models.sam2 import Sam2
from training.models.tissue_weights import RANDOM, load_tissue_encoder

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
    """None where the weights are no file, or several."""

    @property
    def network(self) -> nn.Module:
        """All parameters of the model."""
        return self.model.network

    @property
    def mask_prompts(self) -> MaskPrompts:
        """As the checkpoint learned them."""
        return self.model.mask_prompts


def open_model(
    checkpoint: str, config: str | None = None, encoder: str | None = None, sam: str | None = None
) -> Loaded:
    """Open a model of any architecture.

    Parameters
    ----------
    checkpoint : str
        The name of a pulled checkpoint, a file, ``embedded`` or ``random``. Where `config` joins a histology encoder to
        a SAM, and this is no checkpoint of the two, it gives the weights of the SAM.
    config : str, optional
        See `training.models.architecture`; default: the checkpoint's own.
    encoder, sam : str, optional
        Weights of the histology encoder, and of the SAM that a trained head was trained on; default: those that were
        pulled, or that the checkpoint names.

    Raises
    ------
    StartupError
        Something is not there, is damaged, or does not fit; says what to do about it.
    """
    asked = None if config is None else architecture_of(config)
    content = _joined_content(Path(checkpoint))
    if content is not None:
        return _reopened(Path(checkpoint), content, asked, encoder, sam)
    opened = _sam(checkpoint, asked.sam if asked else None)
    named = architecture_of(opened.config) if asked is None else asked
    if named.encoder is None:
        return Loaded(opened.name, opened.model, opened.config, opened.sha256, opened.path)
    return _joined(named, opened, checkpoint, encoder)


class _Sam(NamedTuple):
    name: str
    model: Sam1 | Sam2
    config: str
    sha256: str
    path: Path | None = None


class _Found(NamedTuple):
    name: str
    path: Path
    config: str
    sha256: str


def _joined(architecture: Architecture, opened: _Sam, checkpoint: str, encoder: str | None) -> Loaded:
    """Join a histology encoder to a SAM, with a head that has learned nothing."""
    tissue, part = load_tissue_encoder(str(architecture.encoder), encoder)
    parts = {"encoder": part}
    if architecture.fusion != "alone":
        parts["sam"] = Part(checkpoint, opened.sha256)
    torch.manual_seed(0)
    model = Histology(architecture, opened.model, tissue, parts)
    digests = json.dumps([architecture.name, opened.sha256, part.sha256])
    sha256 = hashlib.sha256(digests.encode()).hexdigest()
    return Loaded(f"{opened.name} with {architecture.encoder}", model, architecture.name, sha256)


def _reopened(
    path: Path, content: dict[str, Any], asked: Architecture | None, encoder: str | None, sam: str | None
) -> Loaded:
    """Open what was trained here, with the frozen weights that it was trained on."""
    architecture = architecture_of(str(content.get(CONFIG)))
    if asked is not None and asked != architecture:
        raise InvalidSettings(f"{path} is a {architecture.name}, not a {asked.name}.")
    told = {name: Part(str(part["source"]), str(part["sha256"])) for name, part in content[PARTS].items()}
    source = sam or told["sam"].source if "sam" in told else RANDOM  # alone, the checkpoint holds the decoder
    opened = _sam(source, architecture.sam)
    tissue, part = load_tissue_encoder(str(architecture.encoder), encoder or told["encoder"].source)
    parts = {"encoder": part, **({"sam": Part(source, opened.sha256)} if "sam" in told else {})}
    for name, was in told.items():
        if parts[name].sha256 != was.sha256:
            raise WeightsCorrupt(
                f"{path} was trained on other weights of its {name} (sha256 {was.sha256}) than those of"
                f" {parts[name].source} ({parts[name].sha256}): name the right ones with --{name}."
            )
    opened.model.mask_prompts = read_mask_prompts(content.get(CARD_MEMBER))
    model = Histology(architecture, opened.model, tissue, parts)
    check_keys(path, architecture.name, content["model"], model.own_state())
    model.network.load_state_dict(content["model"], strict=False)
    return Loaded(path.stem, model, architecture.name, file_sha256(path), path)


def _joined_content(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint that says which frozen weights it was trained on; None for any other, and for names."""
    if not path.is_file() or not is_zipfile(path):
        return None
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError):
        return None  # whoever loads it in earnest says what is wrong with it
    return content if isinstance(content, dict) and PARTS in content else None


def _sam(checkpoint: str, config: str | None) -> _Sam:
    """Load a SAM or a SAM 2."""
    if checkpoint == RANDOM:
        if config is None:
            raise InvalidSettings("Random weights need a config: name one with --config, such as sam2.1_hiera_t.")
        torch.manual_seed(0)
        return _Sam(RANDOM, _built(config), config, f"random weights of {config}, seed 0")
    found = _found(checkpoint, config)
    model = _filled(found)
    model.mask_prompts = _mask_prompts(found)
    return _Sam(found.name, model, found.config, found.sha256, found.path)


def _built(config: str) -> Sam1 | Sam2:
    return Sam1(build_sam1(config)) if architecture_of(config).is_sam1 else Sam2(build_model(config))


def _filled(found: _Found) -> Sam1 | Sam2:
    if not architecture_of(found.config).is_sam1:
        return Sam2(load_checkpoint(found.path, found.config))
    model, state = Sam1(build_sam1(found.config)), read_state(found.path)
    check_keys(found.path, found.config, state, model.network.state_dict())
    model.network.load_state_dict(state, assign=True)
    model.network.float().eval()
    return model


def _found(checkpoint: str, config: str | None) -> _Found:
    """Find a checkpoint by a known name, or as a file; its config is its own, unless one is given."""
    if checkpoint == "embedded":
        return _Found("embedded", EMBEDDED_MODEL, config or "embedded", file_sha256(EMBEDDED_MODEL))
    entry, path = find_published(checkpoint), Path(checkpoint)
    if entry is not None:
        file = _pulled(entry)
        return _Found(entry.name, file, config or entry.config, check_file(file, entry))
    if not path.is_file():
        known = ", ".join(("embedded", RANDOM, *published_names()))
        raise WeightsUnavailable(f"There is no checkpoint {checkpoint!r}: it is neither a file nor one of {known}.")
    card, sha256 = read_card(path), file_sha256(path)
    if card is None:
        known_one = find_published_digest(sha256)
        own = known_one.config if known_one else _config_of_run(path.parent)
        return _Found(path.stem, path, config or own or THESIS_CONFIG, sha256)
    check_card(path, card, sha256)
    return _Found(card.name, path, config or config_of(path, card), sha256)


def _pulled(entry: WeightsEntry) -> Path:
    """Find published weights where they were pulled to."""
    path = entry.path_in(read_settings().weights.folder)
    if not path.is_file():
        raise WeightsUnavailable(
            f"The weights {entry.name} are not in {path.parent}:"
            f" fetch them with `python -m training pull {entry.name}`."
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
