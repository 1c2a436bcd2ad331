"""Core's commands on annotations: create, edit, delete, and their undo."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from demo.cytomine import locations, records, rights
from demo.cytomine.identity import Caller
from demo.cytomine.refusals import Forbidden, NotFound, WrongArgument
from demo.cytomine.store import forget_annotation, index_box, insert, next_id, now_ms, reference_slice

_HANGING = ("annotation_terms", "properties", "descriptions", "comments")
_MOST_POINTS = 200
_OPPOSITE = {"add": "delete", "delete": "add", "edit": "edit"}
_VERBS = {"edit": "edited", "add": "added", "delete": "deleted"}


def find(db: sqlite3.Connection, annotation: Any) -> sqlite3.Row:
    """Read an annotation by a number or its text; raises `NotFound`."""
    text = str(annotation)
    row: sqlite3.Row | None = None
    if text.isdigit() and len(text) < 19:
        row = db.execute("SELECT * FROM annotations WHERE id = ?", (int(text),)).fetchone()
    if row is None:
        raise NotFound(f"Annotation not found with filters : {{id={annotation}}}")
    return row


def update(
    db: sqlite3.Connection, caller: Caller, body: Mapping[str, Any], url: str, *, fill: bool = False
) -> dict[str, Any]:
    """Rebuild an annotation from a body; the ``id`` in the body counts, not the one of the path.

    Parameters
    ----------
    fill : bool
        Remove holes from what is stored.
    """
    row = find(db, body.get("id"))
    rights.check_may_edit(db, caller, row["project"], row["user"])
    geometry = locations.parse_location(body.get("location"))
    image = _named(db, "images", body.get("image"))
    tolerance = float(body.get("geometryCompression") or 0)
    geometry = locations.stored_location(geometry, image["width"], image["height"], tolerance)
    if fill:
        geometry = locations.filled(geometry)
    place = _named(db, "slices", body.get("slice"))
    owner = _named(db, "users", body.get("user"))
    before = _snapshot(db, row["id"])
    created = body.get("created")
    db.execute(
        "UPDATE annotations SET location = ?, compression = ?, image = ?, slice = ?, project = ?, user = ?, "
        "created = ?, updated = ? WHERE id = ?",
        (
            geometry.wkt,
            tolerance,
            image["id"],
            place["id"],
            image["project"],
            owner["id"],
            None if created is None else int(float(created)),
            now_ms(),
            row["id"],
        ),
    )
    index_box(db, row["id"])
    return _recorded(db, caller, "edit", before, _snapshot(db, row["id"]), url)


def create(db: sqlite3.Connection, caller: Caller, body: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Add an annotation as Core does: checked, clipped, freehand outlines simplified."""
    if body.get("image") is None and body.get("slice") is not None:
        body = {**body, "image": _named(db, "slices", body["slice"])["image"]}
    image = _named(db, "images", body.get("image"))
    rights.check_may_add(db, caller, image["project"])
    geometry = locations.parse_location(body.get("location"))
    locations.check_extent(geometry)
    geometry = locations.clipped(geometry, image["width"], image["height"])
    most = int(body.get("maxPoint") or _MOST_POINTS)
    geometry, tolerance = locations.simplified_below(geometry, most)
    geometry = locations.stored_location(geometry, image["width"], image["height"], 0)
    place = body.get("slice")
    number = next_id(db)
    values = {
        "id": number,
        "kind": "user",
        "image": image["id"],
        "slice": _named(db, "slices", place)["id"] if place is not None else reference_slice(db, image["id"])["id"],
        "project": image["project"],
        "user": body.get("user") or caller.id,
        "location": geometry.wkt,
        "compression": tolerance,
        "created": now_ms(),
        "updated": None,
    }
    insert(db, "annotations", values)
    index_box(db, number)
    for term in _term_ids(body):
        _named(db, "terms", term)
        insert(db, "annotation_terms", {"id": next_id(db), "annotation": number, "term": term, "user": caller.id})
    for each in body.get("property") or body.get("properties") or []:
        values = {"annotation": number, "key": each["key"], "value": each["value"], "created": now_ms()}
        insert(db, "properties", {"id": next_id(db), **values})
    return _recorded(db, caller, "add", None, _snapshot(db, number), url)


def delete(db: sqlite3.Connection, caller: Caller, annotation: Any, url: str) -> dict[str, Any]:
    """Delete an annotation with all that hangs on it; undoable."""
    row = find(db, annotation)
    rights.check_may_edit(db, caller, row["project"], row["user"])
    for link in records.terms_of(db, row["id"]):
        check_may_unlink(db, caller, row, link)
    before = _snapshot(db, row["id"])
    answer = _recorded(db, caller, "delete", before, None, url)
    forget_annotation(db, row["id"])
    return answer


def check_may_unlink(db: sqlite3.Connection, caller: Caller, row: sqlite3.Row, link: sqlite3.Row) -> None:
    """In restricted projects only whoever set a term, or a manager, takes it away; raises `Forbidden`."""
    restricted = rights.project_of(db, row["project"])["restricted"]
    if restricted and link["user"] != caller.id and not rights.is_manager(db, caller, row["project"]):
        raise Forbidden("You don't have the right to do this. You must be the creator or the container admin")


def undo(
    db: sqlite3.Connection, caller: Caller, command: int | None, url: str, *, redo: bool = False
) -> dict[str, Any]:
    """Take back, or do again, the caller's last command or a given one of theirs."""
    if command is not None and db.execute("SELECT 1 FROM commands WHERE id = ?", (command,)).fetchone() is None:
        raise NotFound(f"Command {command} not found")
    stack = "redo" if redo else "undo"
    row = db.execute(
        "SELECT * FROM commands WHERE user = ? AND stack = ? AND id = coalesce(?, id) ORDER BY pushed DESC LIMIT 1",
        (caller.id, stack, command),
    ).fetchone()
    if row is None:
        message = f"There is no command to {stack}!"
        return records.collection([{"success": True, "message": message, "callback": None, "printMessage": True}])
    state = json.loads(row["after" if redo else "before"])
    shown = state or _snapshot(db, row["annotation"])
    record = _restored_record(db, row, state, url)
    db.execute(
        "UPDATE commands SET stack = ?, pushed = (SELECT max(pushed) + 1 FROM commands) WHERE id = ?",
        ("undo" if redo else "redo", row["id"]),
    )
    kind = row["kind"] if redo else _OPPOSITE[row["kind"]]
    answer = _answer(kind, row["message"], int(shown["annotation"]["id"]), record)
    return records.collection([{**answer, "command": row["id"]}])


def _restored_record(
    db: sqlite3.Connection, row: sqlite3.Row, state: dict[str, Any] | None, url: str
) -> dict[str, Any]:
    """Bring an annotation into a recorded state, None being absence; gives the annotation as it is then, or was."""
    present = db.execute("SELECT * FROM annotations WHERE id = ?", (row["annotation"],)).fetchone()
    last = {} if present is None else records.annotation_record(db, present, url)
    if state is None:
        forget_annotation(db, row["annotation"])
        return last
    if present is None:
        insert(db, "annotations", state["annotation"])
        for table in _HANGING:
            for values in state[table]:
                insert(db, table, values)
    else:
        columns = {name: value for name, value in state["annotation"].items() if name != "id"}
        assigned = ", ".join(f"{name} = ?" for name in columns)
        db.execute(
            f"UPDATE annotations SET {assigned} WHERE id = ?",  # noqa: S608  columns of our own table
            (*columns.values(), row["annotation"]),
        )
    index_box(db, row["annotation"])
    return records.annotation_record(db, find(db, row["annotation"]), url)


def _recorded(
    db: sqlite3.Connection,
    caller: Caller,
    kind: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    url: str,
) -> dict[str, Any]:
    """Push a command on the caller's undo stack and give Core's answer to it."""
    state = after or before
    assert state is not None  # noqa: S101  a command changes something
    row = find(db, state["annotation"]["id"])
    image = db.execute("SELECT filename FROM images WHERE id = ?", (row["image"],)).fetchone()
    owner = db.execute("SELECT username FROM users WHERE id = ?", (row["user"],)).fetchone()
    layer = owner["username"] if owner else "?"
    message = f"{caller.username} {_VERBS[kind]} annotation from {image['filename']} on layer {layer}"
    number = next_id(db)
    db.execute("DELETE FROM commands WHERE user = ? AND stack = 'redo'", (caller.id,))
    values = {
        "id": number,
        "user": caller.id,
        "kind": kind,
        "annotation": row["id"],
        "before": json.dumps(before),
        "after": json.dumps(after),
        "message": message,
        "stack": "undo",
        "pushed": number,
    }
    insert(db, "commands", values)
    return {**_answer(kind, message, row["id"], records.annotation_record(db, row, url)), "command": number}


def _answer(kind: str, message: str, annotation: int, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "message": message,
        "callback": {
            "method": f"be.cytomine.{kind.capitalize()}UserAnnotationCommand",
            "userannotationID": str(annotation),
        },
        "printMessage": True,
        "annotation": record,
    }


def _snapshot(db: sqlite3.Connection, annotation: int) -> dict[str, Any]:
    """Give an annotation's row and the rows that hang on it."""
    found: dict[str, Any] = {"annotation": dict(find(db, annotation))}
    for table in _HANGING:
        rows = db.execute(f"SELECT * FROM {table} WHERE annotation = ?", (annotation,))  # noqa: S608  names of ours
        found[table] = [dict(row) for row in rows]
    return found


def _named(db: sqlite3.Connection, table: str, number: Any) -> sqlite3.Row:
    """Read a row that a body names; raises `WrongArgument`."""
    text = str(number)
    row: sqlite3.Row | None = None
    if text.isdigit() and len(text) < 19:
        query = f"SELECT * FROM {table} WHERE id = ?"  # noqa: S608  names of ours
        row = db.execute(query, (int(text),)).fetchone()
    if row is None:
        raise WrongArgument(f"{table[:-1].capitalize()} {number} is missing or unknown")
    return row


def _term_ids(body: Mapping[str, Any]) -> list[int]:
    terms = body.get("term") or body.get("terms") or []
    return [int(term) for term in (terms if isinstance(terms, list) else [terms])]
