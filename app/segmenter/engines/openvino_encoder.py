"""The image encoder on OpenVINO: traced once for a checkpoint, compiled once for a machine, both kept on disk."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from app.errors import InvalidSettings
from app.segmenter.engines.torch_encoder import EncoderModule

_FORMAT = 1
"""Counts changes of what is traced; files of other counts are not read."""
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEncoder:
    """A compiled encoder. Each thread has an inference request of its own.

    Parameters
    ----------
    compiled : openvino.CompiledModel
        Takes (1, 3, s, s) float32.
    """

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode one window; the features are overwritten by this thread's next call."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        request.infer([images.numpy()])
        return tuple(torch.from_numpy(tensor.data) for tensor in request.output_tensors)


def why_not(precision: str) -> str | None:
    """Tell why this machine cannot run a precision, or None if it can."""
    try:
        import openvino
    except ImportError:
        return "OpenVINO is not installed (the extra openvino)"
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bfloat16" and "BF16" not in capabilities:
        return "this processor has no bfloat16 instructions"
    return None


def traced_file(folder: Path, sha256: str) -> Path:
    """Give the place of the traced encoder of a checkpoint, for the versions that are installed."""
    import openvino

    versions = f"torch{torch.__version__}-openvino{openvino.__version__.split('-')[0]}"
    return folder / f"{sha256[:16]}-{versions}-{_FORMAT}.xml"


def open_encoder(
    model: nn.Module, sha256: str, folder: Path, precision: str, *, threads: int, workers: int
) -> OpenVinoEncoder:
    """Compile the encoder of a model, or take it from the folder.

    Parameters
    ----------
    model : SAM2Base
        On the CPU, in evaluation mode, with its encoder. Only read when the folder has no trace of it yet; tracing
        takes about a minute and some 5 GB for Hiera-B+.
    sha256 : str
        Of its checkpoint.
    folder : Path
        Traces and compiled encoders; made if it is not there.
    precision : str
        ``float32`` or ``bfloat16``.
    threads, workers : int
        Threads of one call, and calls at a time.

    Raises
    ------
    InvalidSettings
        This machine cannot run it, or the folder cannot be written.
    """
    reason = why_not(precision)
    if reason:
        raise InvalidSettings(f"The engine openvino-{precision} cannot run here: {reason}.")
    import openvino

    file = traced_file(folder, sha256)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            _trace(model, file)
    except OSError as error:
        raise InvalidSettings(f"REFINE_SEGMENTER__ENGINE_FOLDER: {folder} cannot be written: {error}.") from error
    options = {
        "PERFORMANCE_HINT": "LATENCY" if workers == 1 else "THROUGHPUT",
        "NUM_STREAMS": workers,
        "INFERENCE_NUM_THREADS": threads * workers,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "CACHE_DIR": str(folder / "compiled"),
    }
    return OpenVinoEncoder(openvino.Core().compile_model(str(file), "CPU", options))


def _trace(model: nn.Module, file: Path) -> None:
    """Write the encoder down; the file that names the other comes last, so that a torn write is not believed."""
    import openvino

    side = int(model.image_size)  # type: ignore[arg-type]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's, on branches that a fixed size decides
        traced = openvino.convert_model(
            EncoderModule(model), example_input=torch.zeros(1, 3, side, side), input=[(1, 3, side, side)]
        )
    part = file.with_name(f"part-{os.getpid()}-{file.name}")
    openvino.save_model(traced, part, compress_to_fp16=False)
    os.replace(part.with_suffix(".bin"), file.with_suffix(".bin"))
    os.replace(part, file)
