"""What Core's addition lets a search ask for; what is not understood is refused, and the service checks the values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from demo.cytomine.refine_options import CREDENTIALS, read_object
from demo.cytomine.refine_problems import invalid

_NAMES = ("geometry", "annotation_id", "like", "unlike", "limit", "min_confidence", "detail", "outline")


def read_question(query: Iterable[str], content_type: str, body: bytes) -> dict[str, Any]:
    """Give the body for the service, but for the image, which is that of the path.

    Parameters
    ----------
    query : iterable of str
        Names in the query: credentials at most.
    content_type : str
        Of the body, empty where there is none.
    body : bytes
        A JSON object, ``null``, or nothing.

    Raises
    ------
    Problem
        The body is not JSON or too long, or an option is unknown, given twice, or in the query.
    """
    question = read_object(content_type, body)
    for name in question:
        _check_known(name)
    for name in set(query) - CREDENTIALS:
        _check_known(name)
        raise invalid(f"The option {name} belongs in the body.")
    return question


def _check_known(name: str) -> None:
    if name not in _NAMES:
        raise invalid(f"There is no option {name}. The options are {', '.join(_NAMES)}.")
