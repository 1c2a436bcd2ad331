"""Core's records of annotations: what is not understood is never taken for nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.geometry.locations import is_point, read_location
from app.usecases.ports import PointAnnotation

_CLASS = re.compile(r"(\w+\.)*UserAnnotation", re.ASCII)


def records_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the objects of a list; raises `KeyError` or `TypeError`."""
    listed = answer["collection"]
    if not isinstance(listed, list) or not all(isinstance(record, dict) for record in listed):
        raise TypeError("no list of objects")
    return listed


def is_point_record(record: Mapping[str, Any]) -> bool:
    """Whether a record of an annotation is that of a point."""
    return is_point(str(record.get("location") or ""))


def point_of(record: Mapping[str, Any], user_id: int) -> PointAnnotation:
    """Read a point of a list with meta, WKT, terms and tracks; raises `KeyError` or `TypeError` if it has no id.

    Whatever else is missing or odd keeps it from being bare.
    """
    place = read_location(str(record["location"]))
    x, y = (float("nan"), float("nan")) if place.is_empty else (place.x, place.y)
    terms, domain = record.get("term"), str(record.get("class"))
    nothing_else = (
        all(_is_zero(record.get(name)) for name in ("nbComments", "countReviewedAnnotations"))
        and record.get("track") == []
    )
    return PointAnnotation(
        id=_integer(record["id"]),
        x=x,
        y=y,
        user_id=user_id,
        term_ids=ids_of(terms) if _are_ids(terms) else frozenset(),
        is_bare=nothing_else and _are_ids(terms) and _CLASS.fullmatch(domain) is not None,
        domain=domain,
        updated=text_of(record.get("updated")),
    )


def _is_zero(value: object) -> bool:
    return type(value) is int and value == 0


def _are_ids(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def ids_of(values: object) -> frozenset[int]:
    """Read a list of ids; raises `TypeError`."""
    if not isinstance(values, list):
        raise TypeError("no list")
    return frozenset(_integer(value) for value in values)


def _integer(value: object) -> int:
    """Read an id; raises `TypeError`. JSON's true is none."""
    if type(value) is not int:
        raise TypeError("no integer")
    return value


def text_of(value: object) -> str | None:
    """Give a value that is only compared, as a text."""
    return None if value is None else str(value)
