"""Weights of histology encoders: a file, a folder as their makers publish it, pulled ones, or random ones."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.segmenter.checkpoint import check_keys, read_state
from app.segmenter.weights import file_sha256
from app.settings import read_settings
from training.models.histology import Part
from training.models.tissue_encoders import build_tissue_encoder

RANDOM = "random"
_NAMES = ("pytorch_model.bin", "model.safetensors")


def load_tissue_encoder(name: str, source: str | None = None) -> tuple[nn.Module, Part]:
    """Load a histology encoder, frozen.

    Parameters
    ----------
    source : str, optional
        A file, a folder with ``pytorch_model.bin`` or ``model.safetensors``, ``random``, or the encoder's own name:
        what was pulled, which is the default.

    Raises
    ------
    InvalidSettings
        ``timm`` is not installed.
    WeightsUnavailable
        There is no such file.
    WeightsCorrupt
        It is damaged, or that of another encoder.
    """
    if source == RANDOM:
        torch.manual_seed(0)
        return build_tissue_encoder(name), Part(RANDOM, f"random weights of {name}, seed 0")
    file = _file_of(name, source)
    state = _read(file)
    with torch.device("meta"):  # no memory is spent on weights that are replaced
        network = build_tissue_encoder(name)
    check_keys(file, name, state, network.state_dict())
    network.load_state_dict(state, assign=True)
    return network.float().requires_grad_(False).eval(), Part(source or name, file_sha256(file))


def _file_of(name: str, source: str | None) -> Path:
    pulled = read_settings().weights.folder / f"{name}.pt"
    path = pulled if source in {None, name} else Path(str(source))
    candidates = [path, *(path / each for each in _NAMES)]
    found = next((each for each in candidates if each.is_file()), None)
    if found is not None:
        return found
    if path == pulled:
        raise WeightsUnavailable(
            f"The weights {name} are not in {pulled.parent}: fetch them with `python -m training pull {name}`, or name"
            " a file or folder with --encoder."
        )
    raise WeightsUnavailable(f"There are no weights of {name} at {path}: a file, or a folder with {_NAMES[0]}.")


def _read(file: Path) -> dict[str, Tensor]:
    try:
        with file.open("rb") as stream:
            is_safetensors = stream.read(9)[8:] == b"{"
    except OSError as error:
        raise WeightsUnavailable(f"{file} cannot be read: {error.strerror}.") from error
    if not is_safetensors:
        return read_state(file)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise WeightsCorrupt(f"{file} is damaged: {error}.") from error
