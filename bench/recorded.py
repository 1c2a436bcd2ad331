"""What the platform itself has recorded of annotations: every change, whoever made it and whatever was answered."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Literal, cast

from demo.cytomine.kinds import ANNOTATION
from demo.cytomine.store import Store


@dataclass(frozen=True, slots=True)
class Command:
    """A change of an annotation."""

    id: int
    """The handle of its undo."""
    user: int
    kind: Literal["add", "edit", "delete"]
    annotation: int
    before: str | None
    """Location, WKT, platform frame; None where there was none."""
    after: str | None
    image: int = 0


def commands_of(store: Store, after: int = 0) -> list[Command]:
    """List the changes of annotations whose handles are above `after`, the oldest first."""
    with store.transaction() as db:
        rows = db.execute(
            "SELECT * FROM commands WHERE id > ? AND kind = ? ORDER BY id", (after, ANNOTATION.name)
        ).fetchall()
    return [_command(row) for row in rows]


def _command(row: sqlite3.Row) -> Command:
    before, after = (json.loads(row[name] or "{}") for name in ("before", "after"))
    known = {**before, **after}
    kind = cast(Literal["add", "edit", "delete"], row["verb"].lower())
    places = (before.get("location"), after.get("location"))
    return Command(row["id"], row["user"], kind, known["id"], *places, image=known["image"])
