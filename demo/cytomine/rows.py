"""Rows of the embedded Cytomine's tables: their numbers, and what belongs together."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from demo.cytomine.wkt import stored_geometry

JOINED = ("annotation_terms", "annotation_tracks", "annotation_links")
"""Tables whose rows go with their annotation, without a command of their own."""
HANGING = (*JOINED, "properties", "descriptions", "comments", "attached_files", "tag_associations")
"""All that hangs on annotations."""


def next_id(db: sqlite3.Connection) -> int:
    """Take the next number of the one sequence that all things share."""
    row = db.execute("UPDATE ids SET next = next + 1 RETURNING next").fetchone()
    return int(row[0])


def now_ms() -> int:
    """Give epoch milliseconds."""
    return time.time_ns() // 1_000_000


def insert(db: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> None:
    """Insert a row; table and column names are ours, never a caller's."""
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608  see above


def added(db: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> sqlite3.Row:
    """Insert a row with a fresh number and the time; gives it."""
    number = next_id(db)
    insert(db, table, {"id": number, **values, "created": now_ms()})
    found = row_of(db, table, number)
    assert found is not None  # noqa: S101  just inserted
    return found


def row_of(db: sqlite3.Connection, table: str, number: Any) -> sqlite3.Row | None:
    """Read a row by a number or its text; None if there is none."""
    text = str(number)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    query = f"SELECT * FROM {table} WHERE id = ?"  # noqa: S608  names of ours
    found: sqlite3.Row | None = db.execute(query, (int(text),)).fetchone()
    return found


def hanging(db: sqlite3.Connection, table: str, annotation: int) -> list[sqlite3.Row]:
    """List an annotation's rows of a table, the oldest first."""
    query = f"SELECT * FROM {table} WHERE annotation = ? ORDER BY id"  # noqa: S608  names of ours
    return db.execute(query, (annotation,)).fetchall()


def reference_slice(db: sqlite3.Connection, image: int) -> sqlite3.Row:
    """Give the middle plane of an image."""
    rows = db.execute("SELECT * FROM slices WHERE image = ? ORDER BY channel, z, t", (image,)).fetchall()
    found: sqlite3.Row = rows[len(rows) // 2]
    return found


def index_box(db: sqlite3.Connection, annotation: int) -> None:
    """Put an annotation's box into the R*Tree; one without a finite box is in no box."""
    row = db.execute("SELECT image, location FROM annotations WHERE id = ?", (annotation,)).fetchone()
    db.execute("DELETE FROM boxes WHERE id = ?", (annotation,))
    geometry = stored_geometry(row["location"])
    if geometry is None:
        return
    bounds = geometry.bounds
    if all(value == value and abs(value) < 1e12 for value in bounds):
        image = row["image"]
        db.execute(
            "INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (annotation, image, image, bounds[0], bounds[2], bounds[1], bounds[3]),
        )


def remove_annotation(db: sqlite3.Connection, annotation: int, tables: tuple[str, ...] = JOINED) -> None:
    """Delete an annotation with its rows of some tables."""
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE annotation = ?", (annotation,))  # noqa: S608  names of ours
    db.execute("DELETE FROM boxes WHERE id = ?", (annotation,))
    db.execute("DELETE FROM annotations WHERE id = ?", (annotation,))
