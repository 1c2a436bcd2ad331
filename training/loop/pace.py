"""How fast a training learns, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Pace:
    """Learning rate over the run, and the bounds of the run: whichever is met first ends it."""

    learning_rate: float
    """At its peak."""
    epochs: int
    steps: int
    """In all epochs together, about; what the learning rate's fall is planned by."""
    minutes: float = 0.0
    """Time box; 0: none."""
    patience: int = 0
    """Epochs without a better validation before the run ends; 0: never."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    warm_up: int = 0
    """Steps in which the learning rate rises."""
    fall: float = 0.0
    """Share of the run, at its end, in which the rate falls smoothly."""
    last: float = 0.02
    """Where it falls to, as a share of the peak."""
    clip: float = 1.0
    """Largest norm of the gradients."""

    best_by: Literal["iou", "loss"] = "iou"
    """What the best epoch is chosen by: the highest ``iou`` of the validation, or its lowest ``validation loss``."""

    def worth(self, point: dict[str, float]) -> float:
        """Say how good an epoch was; more is better."""
        return point["iou"] if self.best_by == "iou" else -point["validation loss"]

    def done(self, steps: int, spent_s: float) -> float:
        """Share of the run that is over, by steps or by the clock, 0 to 1."""
        by_clock = spent_s / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(steps / max(self.steps, 1), by_clock))

    def rate(self, steps: int, spent_s: float) -> float:
        """Give the learning rate of the next step: it rises, stays, and falls with what is done of the run."""
        rise = min(1.0, (steps + 1) / self.warm_up) if self.warm_up else 1.0
        left = 1 - self.done(steps, spent_s)
        if self.fall <= 0 or left >= self.fall:
            return rise * self.learning_rate
        share = left / self.fall
        return rise * self.learning_rate * (self.last + (1 - self.last) * share * share * (3 - 2 * share))

    def is_late(self, spent_s: float) -> bool:
        """Whether the time box is used up."""
        return 0 < self.minutes <= spent_s / 60
