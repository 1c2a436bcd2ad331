"""The lines of an entry, once it is known which datasets there are, and the models that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from app.errors import InvalidSettings
from training.tables.entry import Arm, Entry, Line

ZERO_SHOT = "zero-shot"
_MOST_DATASETS = 5
"""With more, their combinations are more than a sweep can bear."""


def lines_of(entry: Entry, datasets: Sequence[str]) -> tuple[Line, ...]:
    """Give the lines of an entry; where it says so, one for every combination of datasets.

    Raises
    ------
    InvalidSettings
        There are too many datasets for that.
    """
    if entry.every_combination is None:
        return entry.lines
    if len(datasets) > _MOST_DATASETS:
        raise InvalidSettings(
            f"{len(datasets)} datasets have too many combinations: name at most {_MOST_DATASETS} with --datasets."
        )
    return tuple(_combined(entry.every_combination, datasets))


def _combined(line: Line, datasets: Sequence[str]) -> Iterator[Line]:
    arm = line.arm
    assert arm.recipe is not None  # noqa: S101  what is combined is learned from
    yield Line(ZERO_SHOT, Arm(arm.model), line.asked)
    for size in range(1, len(datasets) + 1):
        for some in combinations(datasets, size):
            learned_from = some if len(some) < len(datasets) else ()  # all of them is the arm of the other tables
            yield Line(" + ".join(some), replace(arm, recipe=replace(arm.recipe, datasets=learned_from)), line.asked)


def arms_of(entry: Entry, lines: Sequence[Line]) -> tuple[Arm, ...]:
    """Give every model that lines and pictures need, each once."""
    drawn = [panel.arm for panel in entry.panels if panel.arm is not None]
    return tuple(dict.fromkeys([*(line.arm for line in lines), *drawn]))
