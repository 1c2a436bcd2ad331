"""What comes in is bounded before it is parsed: the text of shapes and JSON, in one place for the whole service.

Parsers follow nesting on their own stack, and make numbers as large as they are told; a text of a few hundred kilobytes
can end the process. So its form is looked at first, without recursion and in one pass.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from app.errors import InvalidPrompt, InvalidRequest

MAX_VERTICES = 100_000
"""Of one shape."""
MAX_COORDINATE_PX0 = 2.0**32
"""How far from the origin a place may lie: twice the largest slide. Products of such numbers stay finite."""
MAX_WKT_CHARACTERS = 80 * MAX_VERTICES
"""Three numbers of a vertex, as long as they are ever written."""
MAX_WORD_CHARACTERS = 64
"""Of one number or word of a WKT."""
MAX_WKT_NESTING = 3
"""Parts, rings, vertices: as deep as a MULTIPOLYGON is."""
MAX_JSON_NESTING = 32
"""A request's GeoJSON needs seven levels, and its properties some of their own."""

_KINDS = {
    name.upper(): name
    for name in (
        "Point",
        "LineString",
        "LinearRing",
        "Polygon",
        "MultiPoint",
        "MultiLineString",
        "MultiPolygon",
        "GeometryCollection",
    )
}
_HEAD = re.compile(
    r"(?:SRID\s{0,9}=\s{0,9}\d{1,9}\s{0,9};\s{0,9})?(?P<kind>[A-Z]{1,32}?)(?:ZM|Z|M)?(?![A-Z])",
    re.IGNORECASE | re.ASCII,
)
_ENDS_A_WORD = np.isin(np.arange(256), np.frombuffer(b" \t\r\n(),", np.uint8))


def wkt_kind(wkt: str) -> str | None:
    """Tell the type of a WKT from its first word, as ``geom_type`` names it; None where it is none that is known."""
    head = _HEAD.match(wkt.lstrip())
    return _KINDS.get(head["kind"].upper()) if head else None


def bounded_wkt(wkt: str) -> str:
    """Give a WKT that is safe to parse, without its SRID.

    Raises
    ------
    InvalidPrompt
        It is too long or too deeply nested, has too many vertices or a number of too many digits.
    """
    text = wkt.strip()
    if text.count(",") > MAX_VERTICES:
        raise InvalidPrompt(f"The location has more than {MAX_VERTICES} vertices.", max_vertices=MAX_VERTICES)
    if len(text) > MAX_WKT_CHARACTERS:
        raise InvalidPrompt(f"The location has more than {MAX_WKT_CHARACTERS} characters.")
    head = _HEAD.match(text)
    if head is None or not text.isascii() or "\0" in text:
        raise InvalidPrompt("The location is not a readable geometry.")
    text = text[head.start("kind") :]
    raw = np.frombuffer(text.encode("ascii"), np.uint8)
    ends = np.flatnonzero(_ENDS_A_WORD[raw])
    longest = np.diff(ends, prepend=-1, append=raw.size).max() - 1
    if _nesting(raw, b"(", b")") > MAX_WKT_NESTING or longest > MAX_WORD_CHARACTERS:
        raise InvalidPrompt("The location is not a readable geometry.")
    return text


def check_places(coordinates: npt.NDArray[np.float64]) -> None:
    """Refuse coordinates that no place has.

    Parameters
    ----------
    coordinates : (n, 2) float64
        Level-0 pixels.

    Raises
    ------
    InvalidPrompt
        One is not finite, or beyond `MAX_COORDINATE_PX0`.
    """
    if not (np.abs(coordinates) <= MAX_COORDINATE_PX0).all():
        raise InvalidPrompt(
            f"The location has a coordinate that is not a finite number between ±{MAX_COORDINATE_PX0:.0f}."
        )


def check_json(body: bytes) -> None:
    """Refuse JSON that is nested deeper than anything of ours, before it is parsed.

    Raises
    ------
    InvalidRequest
        It is too deeply nested, or not UTF-8.
    """
    if b"\0" in body:  # as every other encoding of JSON has
        raise InvalidRequest("The body is not JSON in UTF-8.")
    outside_of_strings = b"".join(body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    if _nesting(np.frombuffer(outside_of_strings, np.uint8), b"[{", b"]}") > MAX_JSON_NESTING:
        raise InvalidRequest(
            f"The body is nested more than {MAX_JSON_NESTING} levels deep.", max_nesting=MAX_JSON_NESTING
        )


def _nesting(raw: npt.NDArray[np.uint8], opening: bytes, closing: bytes) -> int:
    """Count how deep brackets lie in brackets, without looking at their kinds."""
    steps = np.zeros(256, np.int32)
    steps[list(opening)], steps[list(closing)] = 1, -1
    return int(np.cumsum(steps[raw], dtype=np.int32).max(initial=0))
