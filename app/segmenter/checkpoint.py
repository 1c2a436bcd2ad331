"""Checkpoints to models: any SAM 2.1 config, loaded strictly."""

from __future__ import annotations

import pickle
from importlib import resources
from pathlib import Path
from typing import Any, cast

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn
from yaml import YAMLError

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable

_SHOWN = 3
"""How many of the wrong keys an error names."""


def find_config(name: str) -> Path:
    """Find a model config by name or as a file.

    Parameters
    ----------
    name : str
        ``sam2.1_hiera_t``, ``_s``, ``_b+`` or ``_l`` (from the sam2 package), ``embedded``, or the path of a YAML file.

    Raises
    ------
    InvalidSettings
        There is no such config.
    """
    own = Path(str(resources.files("app.segmenter"))) / "configs" / f"{name}.yaml"
    package = Path(str(resources.files("sam2"))) / "configs" / "sam2.1" / f"{name}.yaml"
    for candidate in (own, package, Path(name)):
        if candidate.is_file():
            return candidate
    raise InvalidSettings(f"There is no model config {name!r}: neither a name of a SAM 2.1 config nor a YAML file.")


def load_checkpoint(path: Path, config: str, share: float = 1.0) -> nn.Module:
    """Build a model and fill it from a checkpoint.

    Parameters
    ----------
    path : Path
        A state dict saved by torch, bare or under the key ``model``. Only tensors are unpickled.
    config : str
        See `find_config`.
    share : float
        Of the config's input side that the encoder sees; positions are interpolated.

    Returns
    -------
    SAM2Base
        float32, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsUnavailable
        The file cannot be read.
    WeightsCorrupt
        Truncated, no state dict, or a key is missing, extra or of the wrong shape.
    InvalidSettings
        The config is unknown or not a model.
    """
    state = read_state(path)
    model = build_model(config, share)
    check_keys(path, config, state, model.state_dict())
    model.load_state_dict(state, strict=True, assign=True)
    return model.float().eval()


def build_model(config: str, share: float = 1.0) -> nn.Module:
    """Build a SAM 2.1 model with random weights, and of so large a share of its config's input side.

    Raises
    ------
    InvalidSettings
        The config is unknown or not a model.
    """
    file = find_config(config)
    try:
        loaded = OmegaConf.load(file)
        loaded.model.image_size = round(share * loaded.model.image_size)
        return cast(nn.Module, instantiate(loaded.model, _recursive_=True))
    except (HydraException, OmegaConfBaseException, YAMLError, AttributeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidSettings(f"The model config {file} cannot be built: {reason}") from error


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a checkpoint, bare or under the key ``model``; nothing but tensors is unpickled.

    Raises
    ------
    WeightsUnavailable
        The file cannot be read.
    WeightsCorrupt
        It is truncated, or holds no state dict.
    """
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsUnavailable(f"There is no checkpoint {path}.") from error
    except OSError as error:
        raise WeightsUnavailable(f"The checkpoint {path} cannot be read: {error}.") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsCorrupt(f"The checkpoint {path} is truncated or not a torch checkpoint: {reason}") from error
    state = loaded.get("model", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsCorrupt(f"The checkpoint {path} holds no state dict, neither bare nor under 'model'.")
    return state


def check_keys(path: Path, config: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Make sure that a state dict has the keys and shapes that a model wants.

    Raises
    ------
    WeightsCorrupt
        It has not; says in one line what keeps it from fitting.
    """
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    misshapen = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in sorted(wanted.keys() & found.keys())
        if found[key].shape != wanted[key].shape
    ]
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:_SHOWN])}{', …' if len(keys) > _SHOWN else ''})"
        for what, keys in (("missing", missing), ("extra", extra), ("misshapen", misshapen))
        if keys
    ]
    if faults:
        raise WeightsCorrupt(f"The checkpoint {path} does not fit the config {config}: {'; '.join(faults)}.")
