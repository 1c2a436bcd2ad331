"""The machine that a training or an evaluation computes on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from app.errors import InvalidSettings
from app.segmenter.device import resolve_device
from training.embedded.model import plain_attention

Precision = Literal["auto", "float32", "bfloat16"]


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
