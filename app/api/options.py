"""Options that a route does not know are refused, wherever they stand.

A dry run that is misspelt, or asked for in a place where nobody looks, must not become a write. Members of a JSON body
are refused by its schema; here are the query, the fields of a form, and a body where none is taken.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from fastapi import Request
from fastapi.params import Form
from fastapi.routing import APIRoute

from app.errors import InvalidRequest


async def only_known_options(request: Request) -> None:
    """Refuse a request that says what its route does not know, or says it twice; raises `InvalidRequest`."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101  all routes that do work are
    known = [field.alias for field in route.dependant.query_params]
    _check(known, (name for name, _ in request.query_params.multi_items()), "in the query")
    if route.body_field is None:
        _check([], _members(await request.body()), "in the body")
    elif isinstance(route.body_field.field_info, Form):
        fields = [field.alias for field in route.dependant.body_params]
        _check(fields, (name for name, _ in (await request.form()).multi_items()), "in the form")


def _check(known: Iterable[str], given: Iterable[str], where: str) -> None:
    counted = Counter(given)
    unknown = sorted(counted.keys() - set(known))
    if unknown:
        takes = f"only {', '.join(known)}" if known else "none"
        raise InvalidRequest(
            f"Unknown option {where}: {', '.join(unknown)}; this route takes {takes}.", unknown=unknown
        )
    doubled = sorted(name for name, times in counted.items() if times > 1)
    if doubled:
        raise InvalidRequest(f"Given more than once {where}: {', '.join(doubled)}.", doubled=doubled)


def _members(body: bytes) -> list[str]:
    """Name what a body says that nobody will read."""
    if not body.strip():
        return []
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ["a body that is not JSON"]
    return list(content) if isinstance(content, dict) else ["a body that is not an object"]
