"""What tests deploy by import path, as ``serve deploy`` does."""

from __future__ import annotations

from ray.serve import Application

from app.settings import SegmenterSettings, Settings
from scale.application import model
from scale.options import Options


def models(arguments: dict[str, object]) -> Application:
    """Build replicas of a model, without an edge."""
    segmenter = SegmenterSettings(device="cpu", demo_model=True)
    return model(Options.model_validate(arguments), Settings(segmenter=segmenter))
