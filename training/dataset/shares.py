"""Sharing out: slides to sides, so that each side has its share of all objects, and of every type as far as it goes.

Slides are laid one after the other, large ones first, each where the shares come out best; then slides are moved and
exchanged while that makes them better. What counts, in this order: no side is empty, the sides' shares of all objects,
no type is missing from a side, and the sides' shares of each type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)
"""Source: thesis, section 5.2."""

_EMPTY, _MISSING, _TYPES = 10.0, 0.01, 0.02
"""What an empty side, a type that a side lacks, and the types' squared deviations weigh beside those of all objects."""
_ROUNDS = 8
_EXCHANGED = 6000
"""So many exchanges, at most, are tried in each round."""

Floats = npt.NDArray[np.float64]


class Unit(NamedTuple):
    """Slides that must stay together: one, or copies of one."""

    dataset: str
    slides: set[str]
    counts: dict[str, int]
    """Object type to number of objects."""
    side: str | None
    """Where it lies already."""


def shared_out(units: Sequence[Unit], seed: int) -> list[tuple[Unit, str]]:
    """Give each unit its side; those that have one keep it."""
    types = sorted({kind for unit in units for kind in unit.counts})
    ordered = sorted(units, key=lambda unit: (-sum(unit.counts.values()), _shuffled(seed, min(unit.slides))))
    table = np.array([[unit.counts.get(kind, 0) for kind in types] for unit in ordered], np.float64)
    board = _Board(table, [SPLITS.index(unit.side) if unit.side else None for unit in ordered])
    board.lay()
    board.improve(np.random.default_rng(abs(seed)))
    return [(unit, SPLITS[side]) for unit, side in zip(ordered, board.sides, strict=True)]


def _shuffled(seed: int, slide: str) -> str:
    return hashlib.sha256(f"{seed}:{slide}".encode()).hexdigest()


class _Board:
    """Which unit lies where.

    Parameters
    ----------
    table : (units, types) float64
        Numbers of objects.
    sides : list
        0, 1, 2, or None for those that are still to be laid.
    """

    def __init__(self, table: Floats, sides: list[int | None]) -> None:
        self._table, self._wanted = table, np.array(SHARES)
        self._free = [number for number, side in enumerate(sides) if side is None]
        self.sides: list[int] = [-1 if side is None else side for side in sides]
        self._filled = np.zeros((len(SPLITS), table.shape[1]))
        for number, side in enumerate(self.sides):
            if side >= 0:
                self._filled[side] += table[number]
        self._totals = table.sum(axis=0)
        reach = (table > 0).sum(axis=0)
        self._most_sides = np.minimum(reach, len(SPLITS))

    def lay(self) -> None:
        """Lay what has no side yet, each where it does most good for what lies there so far."""
        laid = self._filled.sum(axis=0)
        for number in self._free:
            laid = laid + self._table[number]
            costs = [self._cost_with(((number, side),), laid) for side in range(len(SPLITS))]
            self._put(number, int(np.argmin(costs)))

    def improve(self, rng: np.random.Generator) -> None:
        """Move and exchange what was laid, while the shares get better."""
        for _ in range(_ROUNDS if len(self._free) > 1 else 0):
            before = best = self._cost_with((), self._totals)
            for number in self._free:
                others = rng.permutation(self._free)[: _EXCHANGED // len(self._free)]
                ways: list[tuple[tuple[int, int], ...]] = [
                    ((number, side),) for side in range(len(SPLITS)) if side != self.sides[number]
                ]
                ways += [
                    ((number, self.sides[other]), (int(other), self.sides[number]))
                    for other in others
                    if self.sides[other] != self.sides[number]
                ]
                costs = [self._cost_with(way, self._totals) for way in ways]
                if min(costs) < best - 1e-12:
                    best = min(costs)
                    for moved, side in ways[int(np.argmin(costs))]:
                        self._put(moved, side)
            if best >= before - 1e-12:
                return

    def _put(self, number: int, side: int) -> None:
        if self.sides[number] >= 0:
            self._filled[self.sides[number]] -= self._table[number]
        self._filled[side] += self._table[number]
        self.sides[number] = side

    def _cost_with(self, moves: tuple[tuple[int, int], ...], totals: Floats) -> float:
        """Say how far the shares would be from what they should be."""
        filled = self._filled.copy()
        for number, side in moves:
            if self.sides[number] >= 0:
                filled[self.sides[number]] -= self._table[number]
            filled[side] += self._table[number]
        everything = filled.sum(axis=1)
        off = everything / max(totals.sum(), 1.0) - self._wanted
        by_type = filled / np.maximum(totals, 1.0) - self._wanted[:, None]
        lacking = self._most_sides - (filled > 0).sum(axis=0)
        empty = _EMPTY * ((everything == 0) * self._wanted).sum()  # the largest side is filled first
        return float(empty + (off**2).sum() + _MISSING * lacking.mean() + _TYPES * (by_type**2).sum(axis=0).mean())
