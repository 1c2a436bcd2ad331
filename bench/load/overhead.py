"""What the way through Ray Serve costs a request: the same request to both deployments, one at a time, in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import numpy as np
import shapely

from bench.load.notes import Spread, spread
from bench.load.stage import LoadStage
from bench.load.targets import Target
from bench.load.world import drawn_around, random_object
from demo.seeding import platform_wkt

KINDS = ("window not encoded yet", "cached window")
_WARM = 5
"""Pairs that are not counted."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """One kind of request on two deployments, seconds."""

    kind: str
    plain_s: Spread
    other_s: Spread
    more_s: Spread
    """The other's time less that of plain, pair by pair."""


def overhead(stage: LoadStage, plain: Target, other: Target, pairs: int) -> list[Overhead]:
    """Measure dry runs of refines, first with a window that nobody has asked for yet, then again.

    A dry run does everything but the writing, which is Core's time and the same for both.
    """
    rng = np.random.default_rng(11)
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with httpx.Client(trust_env=False, timeout=60) as client:
        for pair in range(_WARM + pairs):
            number = _drawn(stage, rng)
            for kind in KINDS:
                ways = (plain, other) if pair % 2 else (other, plain)
                spent = {way.name: _timed(client, way, number) for way in ways}
                if pair >= _WARM:
                    times[kind].append((spent[plain.name], spent[other.name]))
    return [_compared(kind, pairs_s) for kind, pairs_s in times.items()]


def _compared(kind: str, pairs_s: Sequence[tuple[float, float]]) -> Overhead:
    ours, theirs = zip(*pairs_s, strict=True)
    found = (spread(ours), spread(theirs), spread(there - here for here, there in pairs_s))
    assert all(found)  # noqa: S101  there are pairs
    return Overhead(kind, *found)  # type: ignore[arg-type]


def _drawn(stage: LoadStage, rng: np.random.Generator) -> int:
    """Draw a box somewhere on some slide, on which both deployments have not been yet."""
    slide = stage.slides[int(rng.integers(len(stage.slides)))]
    box = drawn_around(rng, random_object(rng, slide.width, slide.height))
    shape = shapely.box(box.x_min, box.y_min, box.x_max, box.y_max)
    return stage.cytomine.store.add_annotation(slide.id, stage.account.id, platform_wkt(shape, slide.height))


def _timed(client: httpx.Client, target: Target, number: int) -> float:
    start = time.perf_counter()
    url = f"{target.url}/sam/annotations/{number}/refine"
    client.post(url, json={"dry_run": True}, headers=target.headers).raise_for_status()
    return time.perf_counter() - start
