"""Which code ran, and on what machine: what every page of results says first."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from app.segmenter.device import usable_cores


def commit() -> str:
    """Name the commit that is checked out."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:  # no git, as on a machine that holds a copy alone
        return "unknown"
    return found.stdout.strip() or "unknown"


def machine(device: str) -> dict[str, Any]:
    """Describe the machine, and a device of it."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    wanted = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16")
    return {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine(),
        "cores": usable_cores(),
        "instructions": " ".join(flag for flag in wanted if f" {flag} " in flags) or "unknown",
        "torch": torch.__version__,
    }
