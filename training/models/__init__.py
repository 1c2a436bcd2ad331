"""The models that training and evaluation know, all behind one door: `open_model` gives a `Promptable`."""

from training.models.opening import Loaded, open_model
from training.models.promptable import Embeddings, Promptable, PromptBatch, chosen
from training.models.prompts import gathered
from training.models.sam2 import Sam2

__all__ = [
    "Embeddings",
    "Loaded",
    "PromptBatch",
    "Promptable",
    "Sam2",
    "chosen",
    "gathered",
    "open_model",
]
