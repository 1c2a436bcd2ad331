"""From the text of a card to a `Judgement`: numbers and known words only, all of them within bounds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

from app.geometry.choices import PromptKind
from app.geometry.judgement import SIGNS, UNJUDGED, Calibration, Growth, Judgement, Rule

MOST_KNOTS = 200
_MOST_WEIGHT = 1000.0
_MEMBERS = {"takes", "growth", "calibration", "measured"}
_MEMBERS_OF_A_CALIBRATION = {"weights", "map", "measured"}


def read_judgement(content: object) -> Judgement:
    """Read the member ``judgement`` of a card; without one, nothing is judged.

    Parameters
    ----------
    content : object
        As JSON gives it: ``takes`` says for kinds of prompts which mask to take, ``growth`` where clicks may let it
        grow, ``calibration`` holds ``weights`` of signs and the knots of a ``map``. ``measured`` is for people, in
        the whole and in ``calibration``.

    Raises
    ------
    ValueError
        It is not of this form; says where.
    """
    if content is None:
        return UNJUDGED
    given = _object(content, "judgement", _MEMBERS)
    return Judgement(
        _takes(given.get("takes", {})),
        _calibration(given.get("calibration")),
        _growth(given.get("growth", UNJUDGED.growth)),
    )


def write_judgement(judgement: Judgement) -> dict[str, Any]:
    """Write it down as `read_judgement` reads it."""
    written: dict[str, Any] = {"takes": dict(judgement.takes), "growth": judgement.growth}
    if judgement.calibration is not None:
        knots = [list(knot) for knot in judgement.calibration.knots]
        written["calibration"] = {"weights": dict(judgement.calibration.weights), "map": knots}
    return written


def _takes(content: object) -> tuple[tuple[PromptKind, Rule], ...]:
    takes = _object(content, "takes", set(get_args(PromptKind)))
    for kind, rule in takes.items():
        if rule not in get_args(Rule):
            raise ValueError(f"takes[{kind!r}] is neither 'best' nor 'single'")
    return tuple(takes.items())  # type: ignore[arg-type]  # looked at above


def _growth(content: object) -> Growth:
    known = get_args(Growth)
    if content not in known:
        raise ValueError(f"growth is neither {known[0]!r} nor {known[1]!r}")
    return content  # type: ignore[return-value]  # looked at above


def _calibration(content: object) -> Calibration | None:
    if content is None:
        return None
    given = _object(content, "calibration", _MEMBERS_OF_A_CALIBRATION)
    weights = {
        name: _number(weight, f"the weight of {name}", _MOST_WEIGHT)
        for name, weight in _object(given.get("weights"), "weights", set(SIGNS)).items()
    }
    if not any(weights.values()):
        raise ValueError("all weights are zero")
    return Calibration(tuple(weights.items()), _knots(given.get("map"), len(SIGNS) * _MOST_WEIGHT))


def _knots(content: object, most: float) -> tuple[tuple[float, float], ...]:
    if not isinstance(content, list) or not 2 <= len(content) <= MOST_KNOTS:
        raise ValueError(f"map is not a list of 2 to {MOST_KNOTS} knots")
    knots = [_knot(each, most) for each in content]
    for (place, value), (next_place, next_value) in pairwise(knots):
        if not (place < next_place and value <= next_value):
            raise ValueError("the knots of map do not rise")
    return tuple(knots)


def _knot(content: object, most: float) -> tuple[float, float]:
    if not isinstance(content, list) or len(content) != 2:
        raise ValueError("a knot of map is not a pair of numbers")
    return _number(content[0], "a knot's place", most), _number(content[1], "a knot's value", 1.0)


def _object(content: object, name: str, members: set[str]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{name} is not an object")
    unknown = sorted(content.keys() - members)
    if unknown:
        raise ValueError(f"{name} has the unknown member {unknown[0][:40]!r}")
    return content


def _number(content: object, name: str, most: float) -> float:
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise ValueError(f"{name} is not a number")
    if not 0 <= content <= most:  # this also refuses NaN
        raise ValueError(f"{name} does not lie within 0 to {most:g}")
    return float(content)
