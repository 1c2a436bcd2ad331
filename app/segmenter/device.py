"""The device that the model runs on. torch is imported only where there is a GPU to be asked about."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InvalidSettings

if TYPE_CHECKING:
    import torch


def is_on_gpu(wanted: str) -> bool:
    """Tell whether the setting leads to a GPU.

    Raises
    ------
    InvalidSettings
        As `resolve_device`.
    """
    if wanted == "cpu" or (wanted == "auto" and not _gpus_of_the_driver()):
        return False
    return resolve_device(wanted).type == "cuda"


def _gpus_of_the_driver() -> int:
    """Count the GPUs that NVIDIA's driver knows; 0 where there is no driver."""
    count = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        known = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return 0
    return count.value if known else 0


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
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if gpus else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise InvalidSettings(f"REFINE_SEGMENTER__DEVICE is {wanted}, but torch {torch.__version__} sees {gpus} GPUs.")
    return device


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Count the cores that this process may use: its affinity, and a container's quota where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cgroup.read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no quota ("max"), or no such file
        return cores
