"""Who may do what in a project: members, modes, owners and admins."""

from __future__ import annotations

import sqlite3

from demo.cytomine.identity import Caller
from demo.cytomine.refusals import Forbidden, NotFound
from demo.cytomine.store import Mask

_PROJECT = "class be.cytomine.domain.project.Project"
_MANAGERS_ONLY = "You must be project manager to add, edit or delete this resource."


def project_of(db: sqlite3.Connection, project: int) -> sqlite3.Row:
    """Read a project; raises `NotFound`."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM projects WHERE id = ?", (project,)).fetchone()
    if row is None:
        raise NotFound(f"Project {project} not found")
    return row


def check_read(db: sqlite3.Connection, caller: Caller, project: int) -> None:
    """Refuse whoever is no member; raises `Forbidden`."""
    if not caller.admin_by_now and _mask(db, caller, project) < Mask.READ:
        raise Forbidden(f"You don't have the right to read or modify this resource! {_PROJECT} {project}")


def check_may_edit(db: sqlite3.Connection, caller: Caller, project: int, owner: int | None) -> None:
    """Apply the project's mode to a change of what `owner` owns, None being nobody; raises `Forbidden`."""
    check_read(db, caller, project)
    if is_manager(db, caller, project):
        return
    row = project_of(db, project)
    mode = "READ_ONLY" if row["read_only"] else "RESTRICTED" if row["restricted"] else "CLASSIC"
    if mode == "READ_ONLY" or (mode == "RESTRICTED" and owner is None):
        raise Forbidden(f"The project for this data is in {mode} mode! {_MANAGERS_ONLY}")
    if mode == "RESTRICTED" and caller.id != owner:
        raise Forbidden("You don't have the right to do this. You must be the creator or the container admin")


def check_may_add(db: sqlite3.Connection, caller: Caller, project: int) -> None:
    """Refuse additions to a read-only project; raises `Forbidden`."""
    check_read(db, caller, project)
    check_not_read_only(db, caller, project)


def check_not_read_only(db: sqlite3.Connection, caller: Caller, project: int) -> None:
    """Refuse additions to a read-only project to all but its managers, admins included; raises `Forbidden`."""
    if project_of(db, project)["read_only"] and _mask(db, caller, project) < Mask.ADMINISTRATION:
        raise Forbidden(f"The project for this data is in readonly mode! {_MANAGERS_ONLY}")


def is_manager(db: sqlite3.Connection, caller: Caller, project: int) -> bool:
    """Whether the caller manages the project, or is an admin right now."""
    return caller.admin_by_now or _mask(db, caller, project) >= Mask.ADMINISTRATION


def _mask(db: sqlite3.Connection, caller: Caller, project: int) -> int:
    row = db.execute("SELECT mask FROM members WHERE project = ? AND user = ?", (project, caller.id)).fetchone()
    return 0 if row is None else int(row[0])
