"""Core's commands: what changes, the stacks of undo and redo, transactions of several commands.

A command changes one object. Commands of one transaction are undone together, the last first: deleting an annotation
deletes all that hangs on it by commands of the same transaction. What an undo cannot make again fails it as a whole.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo.cytomine.identity import Caller
from demo.cytomine.kinds import ANNOTATION, KINDS, Kind, Verb, message
from demo.cytomine.records import collection
from demo.cytomine.refusals import Crash, NotFound, WrongArgument
from demo.cytomine.rows import index_box, insert, next_id, now_ms, remove_annotation, row_of

_OPPOSITE: dict[Verb, Verb] = {"Add": "Delete", "Delete": "Add", "Edit": "Edit"}
_NOT_MEASURED: dict[str, Any] = {"area": None, "areaUnit": None, "perimeter": None, "perimeterUnit": None, "term": []}
"""An annotation that is made again is told before it is measured and linked."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who runs commands, on which data."""

    db: sqlite3.Connection
    caller: Caller
    url: str
    """Base URL of the server, for links."""


def add(session: Session, kind: Kind, values: Mapping[str, Any], transaction: int | None = None) -> dict[str, Any]:
    """Make an object, from all its columns but number and time; gives Core's answer."""
    now = now_ms()
    state = {"id": next_id(session.db), **values, "created": now}
    if kind is ANNOTATION:
        state["updated"] = now
    _put(session.db, kind, state)
    return _recorded(session, kind, "Add", None, state, transaction, _answer(session, kind, "Add", state["id"]))


def edit(session: Session, kind: Kind, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Change columns of an object; gives Core's answer."""
    before = _state(session.db, kind, number)
    after = {**before, **values}
    _put(session.db, kind, after)
    return _recorded(session, kind, "Edit", before, after, None, _answer(session, kind, "Edit", number))


def delete(session: Session, kind: Kind, number: int, transaction: int) -> dict[str, Any]:
    """Delete an object; gives Core's answer."""
    before = _state(session.db, kind, number)
    answer = _answer(session, kind, "Delete", number)
    _take_away(session.db, kind, number)
    return _recorded(session, kind, "Delete", before, None, transaction, answer)


def undo(session: Session, command: int | None, *, redo: bool = False) -> dict[str, Any]:
    """Take back, or do again, the caller's last command or a given one of theirs, with its whole transaction.

    Raises
    ------
    NotFound
        No such command, or the object to edit is gone.
    WrongArgument
        An object cannot be made again: nothing of the transaction is.
    Crash
        The object to delete is gone.
    """
    db, stack = session.db, "redo" if redo else "undo"
    if command is not None and row_of(db, "commands", command) is None:
        raise NotFound(f"Command {command} not found")
    last = db.execute(
        "SELECT * FROM commands WHERE user = ? AND stack = ? AND id = coalesce(?, id) ORDER BY pushed DESC LIMIT 1",
        (session.caller.id, stack, command),
    ).fetchone()
    if last is None:
        nothing = {"success": True, "message": f"Nothing to {stack}", "callback": None, "printMessage": True}
        return collection([nothing])
    together = db.execute(
        'SELECT * FROM commands WHERE user = ? AND stack = ? AND (id = ? OR "transaction" = ?) ORDER BY pushed DESC',
        (session.caller.id, stack, last["id"], last["transaction"]),
    ).fetchall()
    return collection([_moved(session, row, redo=redo) for row in together])


def _moved(session: Session, row: sqlite3.Row, *, redo: bool) -> dict[str, Any]:
    """Undo or redo one command and move it to the other stack; gives what Core tells of it."""
    kind, verb = KINDS[row["kind"]], row["verb"]
    state = _decoded(row["after"] if redo else row["before"]) or _decoded(row["before"] if redo else row["after"])
    assert state is not None  # noqa: S101  a command changes something
    answer = _performed(session, kind, verb if redo else _OPPOSITE[verb], state)
    session.db.execute(
        "UPDATE commands SET stack = ?, pushed = ? WHERE id = ?",
        ("undo" if redo else "redo", next_id(session.db), row["id"]),
    )
    return answer


def _performed(session: Session, kind: Kind, verb: Verb, state: dict[str, Any]) -> dict[str, Any]:
    number = state["id"]
    present = row_of(session.db, kind.table, number)
    if verb == "Delete":
        if present is None:
            raise Crash("The object to delete is null")
        answer = _answer(session, kind, verb, number)
        _take_away(session.db, kind, number)
        return answer
    if verb == "Edit" and present is None:
        raise NotFound(f"Cannot create instance of object: {number}")
    if verb == "Add" and not kind.restorable:
        raise WrongArgument("Cannot persists object:java.lang.NullPointerException")
    if kind is ANNOTATION:
        state = {**state, "updated": now_ms()}
    _put(session.db, kind, state)
    answer = _answer(session, kind, verb, number)
    if kind is ANNOTATION and verb == "Add":
        answer["annotation"] |= _NOT_MEASURED
    return answer


def _put(db: sqlite3.Connection, kind: Kind, state: Mapping[str, Any]) -> None:
    """Bring an object's row into a state."""
    if row_of(db, kind.table, state["id"]) is None:
        insert(db, kind.table, state)
    else:
        assigned = ", ".join(f'"{name}" = :{name}' for name in state)
        db.execute(f"UPDATE {kind.table} SET {assigned} WHERE id = :id", dict(state))  # noqa: S608  names of ours
    if kind is ANNOTATION:
        index_box(db, state["id"])


def _take_away(db: sqlite3.Connection, kind: Kind, number: int) -> None:
    if kind is ANNOTATION:
        remove_annotation(db, number)
    else:
        db.execute(f"DELETE FROM {kind.table} WHERE id = ?", (number,))  # noqa: S608  names of ours


def _answer(session: Session, kind: Kind, verb: Verb, number: int) -> dict[str, Any]:
    """Tell an object as it is, and what is being done to it."""
    row = row_of(session.db, kind.table, number)
    assert row is not None  # noqa: S101  callers have looked
    record = kind.record(session.db, row, session.url)
    small = kind.name.lower()
    return {
        "message": message(session.db, kind, verb, session.caller.id, record),
        "callback": {"method": f"be.cytomine.{verb}{kind.name}Command", f"{small}ID": str(number)},
        "printMessage": True,
        kind.member or small: record,
    }


def _recorded(
    session: Session,
    kind: Kind,
    verb: Verb,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    transaction: int | None,
    answer: dict[str, Any],
) -> dict[str, Any]:
    """Push a command on the caller's undo stack; gives the answer with its number."""
    number = next_id(session.db)
    values = {
        "id": number,
        "user": session.caller.id,
        "verb": verb,
        "kind": kind.name,
        "before": _encoded(before),
        "after": _encoded(after),
        "transaction": transaction,
        "stack": "undo",
        "pushed": number,
    }
    insert(session.db, "commands", values)
    return {**answer, "command": number}


def _state(db: sqlite3.Connection, kind: Kind, number: int) -> dict[str, Any]:
    row = row_of(db, kind.table, number)
    assert row is not None  # noqa: S101  callers have looked
    return dict(row)


def _encoded(state: Mapping[str, Any] | None) -> str | None:
    return None if state is None else json.dumps(state, default=lambda data: base64.b64encode(data).decode())


def _decoded(text: str | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = None if text is None else json.loads(text)
    return found
