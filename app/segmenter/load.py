"""From chosen weights to a segmenter that is ready to run."""

from __future__ import annotations

import logging
from typing import Any

import torch

from app.errors import InvalidSettings
from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.device import resolve_device, usable_cores
from app.segmenter.engines.choice import fastest
from app.segmenter.engines.openvino_encoder import open_encoder
from app.segmenter.engines.torch_encoder import Encoder, TorchEncoder
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights import ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import ModelInfo

log = logging.getLogger(__name__)

_CORES_OF_A_WORKER = 16
"""One window keeps about so many cores busy; on more of them, several are encoded side by side."""


def load_segmenter(settings: SegmenterSettings, weights: ChosenWeights) -> Sam2Segmenter:
    """Load a checkpoint onto the device, and its encoder onto an engine.

    Parameters
    ----------
    settings : SegmenterSettings
        The engine ``auto`` is the one that `app.segmenter.engines.choice` has measured to be the fastest here.
    weights : ChosenWeights
        The checkpoint.

    Raises
    ------
    StartupError
        The weights or the settings are not fit to run.
    """
    device = resolve_device(settings.device)
    on_gpu = device.type == "cuda"
    workers = settings.concurrency or (1 if on_gpu else max(1, usable_cores() // _CORES_OF_A_WORKER))
    threads = settings.threads or max(1, usable_cores() // workers)
    torch.set_num_threads(threads)
    model: Any = load_checkpoint(weights.path, weights.config).to(device)
    chosen = fastest(settings.engine_folder, weights.sha256) if settings.engine == "auto" else settings.engine
    engine, _, precision = chosen.partition("-")
    encoder: Encoder
    if engine == "openvino":
        if on_gpu:
            raise InvalidSettings(f"REFINE_SEGMENTER__ENGINE is {chosen}, which runs on the CPU only, not on {device}.")
        folder = settings.engine_folder
        encoder = open_encoder(model, weights.sha256, folder, precision, threads=threads, workers=workers)
        model.image_encoder = None  # one copy of the weights is enough
    else:
        encoder = TorchEncoder(model, torch.bfloat16 if precision == "bfloat16" else torch.float32)
    info = ModelInfo(weights.name, weights.origin, weights.sha256, precision, str(device), engine)
    log.warning("%s Runs on %s (%s, %s).", weights.description, device, engine, precision)
    batch = settings.batch if on_gpu else 1
    return Sam2Segmenter(model, info, device, encoder, workers=workers, batch=batch, max_waiting=settings.max_waiting)
