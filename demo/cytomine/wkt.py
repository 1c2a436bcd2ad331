"""Reads what is stored, which may be anything: locations get into a database by many ways."""

from __future__ import annotations

import shapely


def stored_geometry(text: str) -> shapely.Geometry | None:
    """Read a stored location, with or without an SRID prefix; None if it is unreadable."""
    try:
        return shapely.from_wkt(text.rpartition(";")[2])
    except (shapely.GEOSException, NotImplementedError):  # the second for curves
        return None
