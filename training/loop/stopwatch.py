"""Where the time of a step goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Sums up the seconds of named parts; one that is off costs nothing and lets the device run ahead.

    Parameters
    ----------
    device : torch.device, optional
        Waited for at the end of every part, so that a part's seconds are its own. None: the watch is off.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}
        self.steps = 0
        """That this process has done; a run that goes on has earlier ones."""
        self._inner: list[float] = []
        """Of the parts that are open, the seconds of parts within them."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block; a part within another counts for itself alone."""
        if self._device is None:
            yield
            return
        started = self._now()
        self._inner.append(0.0)
        yield
        spent = self._now() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + spent - self._inner.pop()
        if self._inner:
            self._inner[-1] += spent

    def _now(self) -> float:
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.monotonic()

    def told(self) -> str:
        """Say how long each part took per step, and which share of the time."""
        whole = sum(self.seconds.values()) or 1.0
        lines = [f"{'part':<22}{'ms a step':>10}{'share':>8}"]
        for name, spent in sorted(self.seconds.items(), key=lambda each: -each[1]):
            lines.append(f"{name:<22}{1000 * spent / max(self.steps, 1):>10.1f}{spent / whole:>8.0%}")
        return "\n".join(lines)
