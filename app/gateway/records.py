"""Core's records of annotations: what is not understood is never taken for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.errors import NotRefinable, PlatformUnavailable
from app.geometry.locations import is_point, read_location
from app.usecases.ports import PointAnnotation

_CLASS = re.compile(r"(\w+\.)*UserAnnotation", re.ASCII)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn a missing or odd member of Core's answer into `PlatformUnavailable`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise PlatformUnavailable(f"Core did not return valid data ({what}).") from error


def check_is(record: Mapping[str, Any], identifier: int) -> None:
    """Raise `LookupError` or `ValueError` if a record is that of something else than was asked for."""
    if _integer(record["id"]) != identifier:
        raise ValueError("another one")


def records_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the objects of a list; raises `KeyError` or `TypeError`."""
    listed = answer["collection"]
    if not isinstance(listed, list) or not all(isinstance(record, dict) for record in listed):
        raise TypeError("no list of objects")
    return listed


def is_point_record(record: Mapping[str, Any]) -> bool:
    """Whether a record of an annotation is that of a point."""
    return is_point(str(record.get("location") or ""))


def point_of(record: Mapping[str, Any], slide_id: int, user_id: int) -> PointAnnotation:
    """Read a point of a list with meta, WKT, terms and tracks; raises `KeyError` or `TypeError` if it has no id.

    Whatever else is missing, odd or of another image or user keeps it from being bare.
    """
    terms, domain, slice_id = record.get("term"), str(record.get("class")), record.get("slice")
    x, y = _place(str(record["location"]))
    is_bare = (
        (record.get("image"), record.get("user")) == (slide_id, user_id)
        and all(_is_zero(record.get(name)) for name in ("nbComments", "countReviewedAnnotations"))
        and record.get("track") == []
        and _are_ids(terms)
        and _CLASS.fullmatch(domain) is not None
    )
    return PointAnnotation(
        id=_integer(record["id"]),
        x=x,
        y=y,
        user_id=user_id,
        term_ids=ids_of(terms) if _are_ids(terms) else frozenset(),
        is_bare=is_bare,
        domain=domain,
        updated=text_of(record.get("updated")),
        slice_id=slice_id if type(slice_id) is int else None,
        slide_id=slide_id,
    )


def _place(location: str) -> tuple[float, float]:
    """Read where a point lies, platform frame; NaN where that is not readable."""
    try:
        place = read_location(location)
    except NotRefinable:
        return float("nan"), float("nan")
    return (float("nan"), float("nan")) if place.is_empty else (place.x, place.y)


def _is_zero(value: object) -> bool:
    return type(value) is int and value == 0


def _are_ids(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def id_of(record: Mapping[str, Any]) -> int:
    """Read a record's id; raises `KeyError` or `TypeError`."""
    return _integer(record["id"])


def domain_of(record: Mapping[str, Any]) -> str:
    """Read the platform's class of an annotation, which becomes a part of paths; raises `KeyError` or `ValueError`."""
    name = str(record["class"])
    if not _CLASS.fullmatch(name):
        raise ValueError("no user annotation")
    return name


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
