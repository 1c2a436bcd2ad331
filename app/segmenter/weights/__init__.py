"""Checkpoints as files: which ones are known, how they are fetched and checked, and which one the service runs.

Nothing here imports torch; only a strict load, in `verify`, asks the rest of the room for it.
"""

from app.segmenter.weights.checks import VerifiedWeights, check_file, file_sha256, verify
from app.segmenter.weights.choice import ChosenWeights, choose
from app.segmenter.weights.download import Progress, pull
from app.segmenter.weights.in_use import back, in_use, use
from app.segmenter.weights.registry import REGISTRY, WeightsEntry, find_digest, find_name
from app.segmenter.weights.watch import Watch

__all__ = [
    "REGISTRY",
    "ChosenWeights",
    "Progress",
    "VerifiedWeights",
    "Watch",
    "WeightsEntry",
    "back",
    "check_file",
    "choose",
    "file_sha256",
    "find_digest",
    "find_name",
    "in_use",
    "pull",
    "use",
    "verify",
]
