"""The options of Core's addition: what is not understood is refused, so nothing is written against a wish."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from math import isfinite
from typing import Any, NoReturn

from demo.cytomine.refine_problems import invalid, no_json, too_long

_IN_BODY = ("box", "clicks", "proposal", "detail", "preview")
_NAMES = ("keepPoints", "dryRun", "points", "holes", "parts", *_IN_BODY[:4], "outline", "doubtful", "preview")
_FLAGS = {"keepPoints", "dryRun"}
MOST_BYTES = 2 * 1024 * 1024
"""Of a body, as the service reads at most."""
CREDENTIALS = {"Authorization", "auth"}
"""Of a query: who asks, not what for."""
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def read_options(query: Iterable[tuple[str, str]], content_type: str, body: bytes) -> dict[str, Any]:
    """Give the body for the service, with the service's names; the service checks the values.

    Parameters
    ----------
    query : iterable of pairs
        Options and maybe credentials.
    content_type : str
        Of the body, empty where there is none.
    body : bytes
        A JSON object, ``null``, or nothing.

    Raises
    ------
    Problem
        The body is not JSON or too long, or an option is unknown, has a wrong value or is given twice.
    """
    given = read_object(content_type, body)
    chosen: dict[str, Any] = {}
    pairs = [(name, value) for name, value in query if name not in CREDENTIALS]
    for name, value in pairs:
        _choose(chosen, name, _value(name, value))
    for name, value in given.items():
        _check_known(name)
        if value is not None:
            _choose(chosen, name, value)
    return {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in chosen.items()}


def read_object(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a body: a JSON object, ``null``, or nothing; raises `Problem` for anything else."""
    if len(body) > MOST_BYTES:
        raise too_long(MOST_BYTES)
    if (content_type or body) and content_type.partition(";")[0].strip().lower() != "application/json":
        raise no_json()
    return _object(body)


def _choose(chosen: dict[str, Any], name: str, value: object) -> None:
    _check_known(name)
    if name in chosen:
        raise invalid(f"The option {name} is given more than once.")
    chosen[name] = value


def _check_known(name: str) -> None:
    if name in _NAMES:
        return
    meant = next((each for each in _NAMES if _letters(each) == _letters(name)), None)
    hint = f"Did you mean {meant}?" if meant else f"The options are {', '.join(_NAMES)}."
    raise invalid(f"There is no option {name}. {hint}")


def _letters(name: str) -> str:
    return re.sub("[^A-Za-z]", "", name).lower()


def _value(name: str, text: str) -> str | bool:
    if name in _IN_BODY:
        raise invalid(f"The option {name} belongs in the body.")
    if name not in _FLAGS:
        return text
    if text.lower() not in _TRUTH:
        raise invalid(f"The option {name} must be true or false.")
    return _TRUTH[text.lower()]


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"null", object_pairs_hook=_once, parse_constant=_no_json, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise invalid("The body is not JSON, or names an option more than once.") from error
    if read is not None and not isinstance(read, dict):
        raise invalid("The body is not a JSON object.")
    return read or {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        msg = "given more than once"
        raise ValueError(msg)
    return dict(pairs)


def _number(text: str) -> float | str:
    """Read a number; one beyond all bounds goes on as a text, as from Core, and the service refuses it."""
    number = float(text)
    return number if isfinite(number) else "-Infinity" if number < 0 else "Infinity"


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)
