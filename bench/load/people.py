"""What a person does at the slide: draw, look, refine, look again, add a point, refine again, go on, leave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.geometry.frames import Roi
from bench.load.arrivals import zipf
from bench.load.world import drawn_around, random_object

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Habits:
    """How people work; times are medians of log-normal distributions, seconds.

    Measured by others: a box takes 7 s to draw (Papadopoulos et al., "Extreme clicking", ICCV 2017), a point 2.4 s
    (Bearman et al., "What's the point", ECCV 2016). Guessed: everything else. The exponent of the slides' popularity
    is that of web pages (Breslau et al., INFOCOM 1999: 0.64 to 0.83).
    """

    draw_s: float = 7.0
    press_s: float = 2.0
    """From the box to the button; work ahead of the click has this time."""
    inspect_s: float = 4.0
    """From the outline to the next wish."""
    point_s: float = 2.4
    spread: float = 0.6
    """Standard deviation of the times' logarithm."""
    boxes: float = 8.0
    """Mean number in a session, at least one; geometric. Infinite: the person stays."""
    prefetched: float = 0.9
    """Share of the boxes that the page has prepared while the person looks."""
    again: float = 0.4
    """Chance that an outline gets a point and another refine."""
    most_refines: int = 4
    """Of one box."""
    zipf: float = 0.8
    """Exponent of the slides' popularity."""
    pace: float = 1.0
    """All times are multiplied by it: below 1 a session goes by faster, and so a run gets shorter. 0: no thinking."""

    @property
    def refines_per_box(self) -> float:
        """Mean number of refines of a box, where none fails."""
        return sum(self.again**n for n in range(self.most_refines))

    @property
    def box_s(self) -> float:
        """Mean time that a person spends on a box, the service's own time left out."""
        again = self.refines_per_box - 1
        medians_s = self.draw_s + self.press_s + self.inspect_s + again * (self.point_s + self.press_s + self.inspect_s)
        return self.pace * medians_s * math.exp(self.spread**2 / 2)


@dataclass(frozen=True, slots=True)
class Place:
    """A slide that people look at."""

    id: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Think:
    """Do something else for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw a box around an object."""

    slide: Place
    box: Roi
    """Slide frame."""
    thing: Roi
    """What lies in it."""


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Let the service prepare the box just drawn."""


@dataclass(frozen=True, slots=True)
class Refine:
    """Press the button for the box just drawn."""


@dataclass(frozen=True, slots=True)
class AddPoint:
    """Put a point on the object."""

    x: float
    """Slide frame."""
    y: float


Step = Think | Draw | Prefetch | Refine | AddPoint


def session(rng: Rng, habits: Habits, slides: tuple[Place, ...]) -> Iterator[Step]:
    """Give the steps of a person's session, on one slide that is chosen by popularity.

    Parameters
    ----------
    slides : tuple of Place
        The most popular first.
    """
    slide = slides[int(rng.choice(len(slides), p=zipf(len(slides), habits.zipf)))]
    boxes = math.inf if math.isinf(habits.boxes) else int(rng.geometric(1 / habits.boxes))
    while boxes > 0:
        yield from _box(rng, habits, slide)
        boxes -= 1


def _box(rng: Rng, habits: Habits, slide: Place) -> Iterator[Step]:
    thing = random_object(rng, slide.width, slide.height)
    yield _think(rng, habits, habits.draw_s)
    yield Draw(slide, drawn_around(rng, thing), thing)
    if rng.random() < habits.prefetched:
        yield Prefetch()
    for refined in range(habits.most_refines):
        if refined:
            yield _think(rng, habits, habits.point_s)
            yield AddPoint(*_inside(rng, thing))
        yield _think(rng, habits, habits.press_s)
        yield Refine()
        yield _think(rng, habits, habits.inspect_s)
        if rng.random() >= habits.again:
            return


def _think(rng: Rng, habits: Habits, median_s: float) -> Think:
    return Think(habits.pace * median_s * float(np.exp(rng.normal(0.0, habits.spread))))


def _inside(rng: Rng, thing: Roi) -> tuple[float, float]:
    """Choose a place well inside an object."""
    x, y = rng.uniform(0.2, 0.8, 2).tolist()
    return round(thing.x_min + x * thing.width, 1), round(thing.y_min + y * thing.height, 1)
