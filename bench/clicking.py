"""How long from a click to its outline: previews over HTTP with one click more each time, on a window that is kept.

Random weights give torn masks that reach past their window, so that the service looks again from further away: the
embedded model's own weights show what a click costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import shapely

from bench.rows import Row, row, timed
from bench.stage import Stage, refine
from demo.service import Service

PEOPLE = 10
_CLICKS = 8


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A box that somebody corrects."""

    annotation: int
    box: tuple[float, float, float, float]
    """Platform frame."""

    def clicks(self, count: int) -> list[dict[str, float]]:
        """Give so many clicks in the box, every other one on the background."""
        x0, y0, x1, y1 = self.box
        return [
            {"x": x0 + (x1 - x0) * (0.3 + 0.05 * at), "y": (y0 + y1) / 2, "label": at % 2 ^ 1} for at in range(count)
        ]


def clicking(stage: Stage, runs: int, people: int = PEOPLE) -> list[Row]:
    """Measure clicks by one person and by many at once; the reference of the former is a whole refine.

    Parameters
    ----------
    runs : int
        Boxes that one person corrects; each by eight clicks.
    people : int
        How many then do the same at once.
    """
    with stage.service() as service:
        refine(service, stage.draw())
        whole, alone = [], []
        for _ in range(runs):
            number = stage.draw(points=0)
            whole.append(timed(refine, service, number, dry_run=True))
            alone += _corrected(service, _drawn(stage, number))
        many = [_drawn(stage, stage.draw(points=0)) for _ in range(people)]
        for each in many:
            refine(service, each.annotation, dry_run=True)
        with ThreadPoolExecutor(people) as pool:
            crowded = [spent for one in pool.map(lambda each: _corrected(service, each), many) for spent in one]
    return rows(whole, alone, crowded, people)


def rows(whole: Sequence[float], alone: Sequence[float], crowded: Sequence[float], people: int) -> list[Row]:
    """Compare the seconds of clicks with those of whole refines, and many people's with one's."""
    return [
        row("a click by one person", alone, whole, note="reference: a complete first refine of ours"),
        row(f"a click by one of {people} people at once", crowded, alone, note="reference: a click by one person"),
    ]


def _drawn(stage: Stage, number: int) -> _Drawn:
    location = stage.cytomine.store.location(number)
    if location is None:
        raise RuntimeError(f"annotation {number} is gone")
    x0, y0, x1, y1 = shapely.from_wkt(location).bounds
    return _Drawn(number, (x0, y0, x1, y1))


def _corrected(service: Service, drawn: _Drawn) -> list[float]:
    """Click again and again; gives the seconds from each click to its outline."""
    spent = []
    for count in range(1, _CLICKS + 1):
        asked = {"dry_run": True, "points": "ignore", "box": list(drawn.box), "clicks": drawn.clicks(count)}
        spent.append(timed(refine, service, drawn.annotation, **asked))
    return spent
