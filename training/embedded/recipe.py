"""What decides an embedded model."""

from __future__ import annotations

from dataclasses import dataclass

SHARES = {"nuclei": 0.26, "crowd": 0.12, "glands": 0.34, "regions": 0.12, "blobs": 0.16}
"""How much of drawn tissue is of each kind."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, beside the images that are mixed in and the weights it begins with."""

    steps: int = 3200
    minutes: float = 0.0
    """Time box; 0: none. The learning rate falls with steps or minutes, whichever is nearer to its end."""
    epoch: int = 200
    """Batches between two looks at what is held out."""
    scenes: int = 480
    """Drawn ones that are at hand at a time."""
    fresh: float = 0.2
    """Share of them that is replaced by new ones after every epoch; of the real ones, as much is bent anew."""
    batch: int = 12
    """Windows."""
    targets: int = 2
    """Prompts to a window: encoding it costs far more than decoding."""
    accumulate: int = 1
    """Batches to a step."""
    learning_rate: float = 7e-4
    weight_decay: float = 0.02
    warm_up_steps: int = 150
    """In which the learning rate rises."""
    decay: float = 0.5
    """Share of the run, at its end, in which it falls; until then a run can still be made longer."""
    exact_boxes: float = 0.45
    """Share of nearly exact boxes: mostly loose ones make a model draw inside exact ones, and the other way round."""
    far_off: float = 0.08
    """Share of the boxes that lie far off."""
    real: float = 0.55
    """Share of the windows that are real, where there are images to take them from."""
    bent: float = 0.6
    """Share of the real scenes that are turned, scaled and bent."""
    empty: float = 0.06
    """Share of the windows in which the box holds nothing: glass, or tissue without an object."""
    boxless: float = 0.1
    """Share of the prompts with a positive point that have no box."""
    masks: float = 0.12
    """Share of the batches that are prompted with masks too: exact, loose or scanty ones."""
    rounds: int = 2
    """Of simulated corrections, a point each."""
    box_kept: float = 0.85
    """How often the box stays a prompt in a round."""
    mask_given: float = 0.3
    """How often a round gives back the mask that its point corrects."""
    averaging: float = 0.998
    """Of the weights that are kept, over the steps."""
    held_out: int = 96
    """Windows that are looked at, of each kind of tissue."""
    seed: int = 7
    config: str = "embedded"
    side: int = 256
    """Of the model's input, pixels."""
