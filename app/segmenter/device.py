"""The device that the model runs on."""

from __future__ import annotations

import torch

from app.errors import InvalidSettings


def resolve_device(wanted: str) -> torch.device:
    """Turn the setting into a device that is there.

    Parameters
    ----------
    wanted : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:<n>``.

    Raises
    ------
    InvalidSettings
        A GPU is wanted and torch sees none of that number.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if gpus else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise InvalidSettings(f"REFINE_SEGMENTER__DEVICE is {wanted}, but torch {torch.__version__} sees {gpus} GPUs.")
    return device
