"""What a figure depends on: the commit and the machine."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from app.segmenter.device import usable_cores


def commit() -> str:
    """Give the short hash of what is checked out."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return found.stdout.strip() or "unknown"


def machine(device: str) -> dict[str, Any]:
    """Describe the machine."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    wanted = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16")
    return {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine(),
        "cores": usable_cores(),
        "instructions": " ".join(flag for flag in wanted if f" {flag} " in flags) or "unknown",
        "torch": torch.__version__,
    }
