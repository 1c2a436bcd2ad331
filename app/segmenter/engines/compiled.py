"""An encoder that torch's compiler has fused, kept on the disk: made once, and read by every later start."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from app.segmenter.engines.lanes import Function

log = logging.getLogger(__name__)

_MADE = "made"
_AS_RECORDED = "the encoder runs as recorded, without it"


def compiled(function: Function, examples: Sequence[Tensor], folder: Path, *, make: bool) -> Function:
    """Give a function as the compiler makes it, or the function itself where that is not to be had; the log says why.

    Parameters
    ----------
    function : callable
        A tensor to tensors.
    examples : sequence of Tensor
        Of each shape that it will be called with.
    folder : Path
        Keeps what the compiler makes for this function, this device and these versions.
    make : bool
        Whether to compile what the folder does not hold yet: it takes a C compiler and some minutes.
    """
    if not make and not (folder / _MADE).exists():
        log.warning("There is no compiled encoder in %s (`python -m app engines` makes one): %s.", folder, _AS_RECORDED)
        return function
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _keep_in(folder)
        fused: Function = torch.compile(function, dynamic=False)
        for example in examples:
            fused(example)
        (folder / _MADE).touch()
    except Exception as error:  # no compiler, a folder that is read-only, an operator that it cannot fuse
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("The encoder cannot be compiled (%s): %s.", reason, _AS_RECORDED)
        return function
    return fused


def compiled_folder(folder: Path, sha256: str, device: torch.device) -> Path:
    """Give the place of a checkpoint's compiled encoder, for this device and the versions installed."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return folder / f"{sha256[:16]}-torch{torch.__version__}-{name.replace(' ', '-').replace('/', '-')}-fused"


def _keep_in(folder: Path) -> None:
    """Let torch's compiler, and Triton below it, read and write there; they take it from the environment alone."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder.resolve())
    os.environ["TRITON_CACHE_DIR"] = str((folder / "triton").resolve())
