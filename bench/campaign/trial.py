"""What one trial of a campaign is: who draws what, who asks, what goes wrong, and who meddles; made from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from bench.campaign.world import DISCS
from demo.cytomine.faults import Kind

PointKind = Literal[
    "plain", "property", "comment", "description", "tag", "attached file", "track", "link", "other term", "outside"
]
Meddling = Literal["move shape", "delete shape", "move point", "hang property on point", "delete point"]
PEOPLE = ("alice", "bob", "carol")
POINT_KINDS: tuple[PointKind, ...] = get_args(PointKind)
MEDDLINGS: tuple[Meddling, ...] = (
    "move shape", "delete shape", "move point", "hang property on point", "delete point",
)  # fmt: skip
READS = r"/api/annotation/\d+|/api/annotation\.json|/api/imageinstance|/api/domain|/api/user/current|/ims/.*/window"
_KINDS: tuple[Kind, ...] = (
    "status", "status", "odd", "odd", "odd", "odd",
    "hang", "drop", "garbage", "html401", "redirect", "slow", "drip", "cut",
)  # fmt: skip
_CALLS = (("GET", READS), ("GET", READS), ("GET", "/api/"), ("PUT", "/api/"), ("DELETE", "/api/"), ("POST", "/ims/"))


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """A point near the disc."""

    kind: PointKind
    owner: str
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """Somebody presses the button."""

    who: str
    replica: int
    keep_points: bool
    dry_run: bool

    @property
    def options(self) -> dict[str, object]:
        """What is sent."""
        return {"keep_points": self.keep_points, "dry_run": self.dry_run}


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """Something that goes wrong at the n-th matching call."""

    kind: Kind
    method: str
    path: str
    when: Literal["before", "after"]
    skip: int
    status: int
    seed: int
    """Of what is random in odd answers."""


@dataclass(frozen=True, slots=True)
class PlannedMeddling:
    """What somebody else does, at the very moment of the n-th read."""

    kind: Meddling
    skip: int
    point: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial, whole."""

    seed: tuple[int, int]
    disc: int
    elsewhere: int
    """The disc around which a meddler moves the shape."""
    dx: float
    dy: float
    owner: str
    points: tuple[PlannedPoint, ...]
    requests: tuple[PlannedRequest, ...]
    faults: tuple[PlannedFault, ...]
    meddling: PlannedMeddling | None
    kill: tuple[str, int] | None
    """Method of the call, and how many pass first, at which the first service is killed."""


def plan(seed: int, number: int, replicas: int) -> Trial:
    """Make a trial; the same numbers make the same one."""
    rng = np.random.default_rng((seed, number))
    disc, elsewhere = (int(each) for each in rng.choice(len(DISCS), 2, replace=False))
    dx, dy = (float(each) for each in rng.integers(-3, 4, 2) * 4)
    owner = str(rng.choice(PEOPLE[:2]))
    return Trial(
        seed=(seed, number),
        disc=disc,
        elsewhere=elsewhere,
        dx=dx,
        dy=dy,
        owner=owner,
        points=tuple(_point(rng, owner) for _ in range(rng.integers(0, 5))),
        requests=_requests(rng, owner, replicas),
        faults=tuple(_fault(rng) for _ in range(rng.choice([0, 1, 1, 1, 2]))),
        meddling=_meddling(rng) if rng.random() < 0.3 else None,
        kill=(str(rng.choice(["GET", "PUT", "DELETE"])), int(rng.integers(0, 4))) if rng.random() < 0.04 else None,
    )


def _point(rng: np.random.Generator, owner: str) -> PlannedPoint:
    kind = "plain" if rng.random() < 0.5 else POINT_KINDS[int(rng.integers(len(POINT_KINDS)))]
    who = owner if rng.random() < 0.7 else str(rng.choice(PEOPLE))
    dx, dy = (float(each) for each in rng.uniform(-25, 25, 2))
    return PlannedPoint(kind, who, dx, dy)


def _requests(rng: np.random.Generator, owner: str, replicas: int) -> tuple[PlannedRequest, ...]:
    """Make one to four requests at once, often equal ones."""
    first = PlannedRequest(owner, int(rng.integers(replicas)), bool(rng.random() < 0.2), bool(rng.random() < 0.15))
    made = [first]
    for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):
        if rng.random() < 0.6:
            made.append(PlannedRequest(owner, int(rng.integers(replicas)), first.keep_points, first.dry_run))
        else:
            who = str(rng.choice(PEOPLE))
            made.append(PlannedRequest(who, int(rng.integers(replicas)), bool(rng.random() < 0.3), False))
    return tuple(made)


def _fault(rng: np.random.Generator) -> PlannedFault:
    method, path = _CALLS[int(rng.integers(len(_CALLS)))]
    return PlannedFault(
        kind=_KINDS[int(rng.integers(len(_KINDS)))],
        method=method,
        path=path,
        when="after" if rng.random() < 0.5 else "before",
        skip=int(rng.integers(0, 6)),
        status=int(rng.choice([400, 401, 403, 404, 409, 500, 502, 503])),
        seed=int(rng.integers(2**32)),
    )


def _meddling(rng: np.random.Generator) -> PlannedMeddling:
    return PlannedMeddling(MEDDLINGS[int(rng.integers(len(MEDDLINGS)))], int(rng.integers(0, 8)), int(rng.integers(4)))
