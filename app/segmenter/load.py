"""From chosen weights to a segmenter that is ready to run."""

from __future__ import annotations

import logging

import torch

from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.device import resolve_device
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.turnstile import Turnstile
from app.segmenter.weights import ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import ModelInfo

log = logging.getLogger(__name__)


def load_segmenter(settings: SegmenterSettings, weights: ChosenWeights) -> Sam2Segmenter:
    """Load a checkpoint onto the device.

    Raises
    ------
    StartupError
        The weights or the settings are not fit to run.
    """
    device = resolve_device(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    model = load_checkpoint(weights.path, weights.config)
    info = ModelInfo(weights.name, weights.origin, weights.sha256, "float32", str(device))
    log.warning("%s Runs on %s.", weights.description, device)
    return Sam2Segmenter(model, info, device, Turnstile(settings.concurrency, settings.max_waiting))
