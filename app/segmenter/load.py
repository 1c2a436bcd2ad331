"""From chosen weights to a segmenter that is ready to run."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import InvalidSettings
from app.geometry.windows import MODEL_SIDE_PX
from app.segmenter.device import is_on_gpu, resolve_device, usable_cores
from app.segmenter.engines.choice import fastest, has_record, seconds_of_a_window, why_refused
from app.segmenter.engines.engine import Engine, Pixels
from app.segmenter.engines.names import INT8, ON_GPU_UNMEASURED, REFERENCE, EngineName, needs, parts_of
from app.segmenter.engines.openvino_engine import open_engine
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights import ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import ModelInfo

log = logging.getLogger(__name__)

_CORES_OF_A_WORKER = 16
"""A window of 1,024 px keeps about so many cores busy, a smaller one fewer, as it has fewer pixels; on more of them,
several are encoded side by side. Threads that share a window of 256 px mostly wait for each other (decision 0064)."""
_MOST_WORKERS = 16


def load_segmenter(
    settings: SegmenterSettings, weights: ChosenWeights, calibration: Sequence[Pixels] = (), *, compiling: bool = False
) -> Sam2Segmenter:
    """Load a checkpoint onto an engine and a device. torch is imported only if the engine needs it.

    Parameters
    ----------
    settings : SegmenterSettings
        The engine ``auto`` is the one that `app.segmenter.engines.choice` has measured to be the fastest here.
    weights : ChosenWeights
        The checkpoint.
    calibration : sequence of Pixels
        Windows to make a new int8 encoder from; without them the one that was checked is used.
    compiling : bool
        Whether an encoder may be compiled that is not in the folder yet, which takes minutes.

    Raises
    ------
    StartupError
        The weights or the settings are not fit to run.
    """
    on_gpu = is_on_gpu(settings.device)
    chosen = _choose(settings, weights, on_gpu)
    if chosen == INT8 and not calibration:
        _check_int8(settings, weights)
    kind, precision, side = parts_of(chosen)
    share = int(side) / MODEL_SIDE_PX if side else 1.0
    workers = settings.concurrency or (1 if on_gpu else _workers(share * side_of(weights.config)))
    threads = settings.threads or max(1, usable_cores() // workers)
    engine: Engine
    if kind == "openvino":
        engine = open_engine(
            lambda: _load(weights, share),
            weights.sha256,
            settings.engine_folder,
            precision,
            threads=threads,
            workers=workers,
            calibration=calibration,
            side=side,
        )
    elif kind in ("cuda", "compiled"):
        engine = _recorded(settings, weights, share, precision, fused=kind == "compiled", compiling=compiling)
    else:
        engine = _on_torch(settings, weights, precision, threads, share)
    device = str(resolve_device(settings.device)) if on_gpu else "cpu"
    info = ModelInfo(
        weights.name, weights.origin, weights.sha256, chosen.partition("-")[2], device, kind, weights.judgement
    )
    log.warning("%s Runs on %s (%s, %s).", weights.description, device, kind, info.precision)
    batch = settings.batch if on_gpu else 1
    usual_s = seconds_of_a_window(settings.engine_folder, weights.sha256, chosen) or 0.0
    return Sam2Segmenter(engine, info, workers=workers, batch=batch, max_waiting=settings.max_waiting, usual_s=usual_s)


def _workers(side_px: float) -> int:
    """Tell how many windows of a side to encode side by side on the cores that there are."""
    busy = max(1, round(_CORES_OF_A_WORKER * (side_px / MODEL_SIDE_PX) ** 2))
    return min(_MOST_WORKERS, max(1, usable_cores() // busy))


def side_of(config: str) -> int:
    """Read the side of the square that a model sees from its config, without torch; the package's see 1,024 px."""
    own = Path(__file__).with_name("configs") / f"{config}.yaml"
    file = own if own.is_file() else Path(config)
    found = re.search(r"^\s*image_size:\s*(\d+)", file.read_text(), re.MULTILINE) if file.is_file() else None
    return int(found[1]) if found else MODEL_SIDE_PX


def _choose(settings: SegmenterSettings, weights: ChosenWeights, on_gpu: bool) -> EngineName:
    """Give the engine that is set, else the one that was measured, else what is safe on such a device."""
    there = "a GPU" if on_gpu else "a CPU"
    if settings.engine != "auto":
        wanted = needs(settings.engine)
        if wanted not in (None, there):
            raise InvalidSettings(f"REFINE_SEGMENTER__ENGINE is {settings.engine}, which runs on {wanted} only.")
        return settings.engine
    if on_gpu and not has_record(settings.engine_folder, weights.sha256):
        return ON_GPU_UNMEASURED
    chosen = fastest(settings.engine_folder, weights.sha256, settings.most_loss)
    if needs(chosen) in (None, there):
        return chosen
    return ON_GPU_UNMEASURED if on_gpu else REFERENCE


def _check_int8(settings: SegmenterSettings, weights: ChosenWeights) -> None:
    """Let only an int8 encoder run that was checked against float32 for these weights."""
    reason = why_refused(settings.engine_folder, weights.sha256, INT8)
    if reason:
        raise InvalidSettings(f"The engine {INT8} is refused for these weights: {reason}.")


def _recorded(
    settings: SegmenterSettings, weights: ChosenWeights, share: float, precision: str, *, fused: bool, compiling: bool
) -> Engine:
    model = _load(weights, share)
    import torch

    from app.segmenter.engines.compiled import compiled, compiled_folder
    from app.segmenter.engines.cuda_engine import CudaEngine

    device = resolve_device(settings.device)
    kept = compiled_folder(settings.engine_folder, weights.sha256, device)
    fuse = partial(compiled, folder=kept, make=compiling) if fused else None
    return CudaEngine(model, device, settings.batch, getattr(torch, precision), fuse)


def _on_torch(
    settings: SegmenterSettings, weights: ChosenWeights, precision: str, threads: int, share: float
) -> Engine:
    model = _load(weights, share)
    import torch

    from app.segmenter.engines.lanes import lanes_of
    from app.segmenter.engines.torch_engine import TorchEngine

    torch.set_num_threads(threads)
    device, tf32 = resolve_device(settings.device), precision == "tf32"
    dtype = torch.float32 if tf32 else getattr(torch, precision)
    return TorchEngine(model, device, dtype, tf32=tf32, lanes=lanes_of(device) if device.type == "cuda" else None)


def _load(weights: ChosenWeights, share: float) -> Any:
    try:
        from app.segmenter.checkpoint import load_checkpoint
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            "torch is not installed here, and REFINE_SEGMENTER__ENGINE_FOLDER holds no converted copy of this"
            " checkpoint: run `python -m app engines` once in the full image, with the same volume of weights."
        ) from error
    return load_checkpoint(weights.path, weights.config, share)
