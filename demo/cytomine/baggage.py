"""Core's rules on what hangs on annotations: terms, properties, tags, files, tracks, links, comments."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from demo.cytomine import annotating, commands, rights
from demo.cytomine.commands import Session
from demo.cytomine.kinds import (
    COMMENT,
    DESCRIPTION,
    GROUP_LINK,
    PROPERTY,
    TAG,
    TAG_ASSOCIATION,
    TERM,
    TRACK,
    TRACK_LINK,
    Kind,
)
from demo.cytomine.records import CLASSES
from demo.cytomine.refusals import Crash, NotFound, WrongArgument
from demo.cytomine.rows import added, hanging, next_id, row_of

_NAMES = {CLASSES["user"], "be.cytomine.domain.ontology.AnnotationDomain"}


def of_domain(session: Session, name: str, number: Any) -> sqlite3.Row:
    """Find the annotation that a class name and a number mean, for reading; raises `NotFound` or `Forbidden`."""
    row = row_of(session.db, "annotations", number) if name in _NAMES else None
    if row is None:
        raise NotFound(f"{name} {number} not found")
    rights.check_read(session.db, session.caller, row["project"])
    return row


def of_domain_by_acl(session: Session, name: str, number: Any) -> sqlite3.Row:
    """Do the same where Core looks for the rights first, and says so."""
    if name not in _NAMES or row_of(session.db, "annotations", number) is None:
        text = f"ACL error: class {name} with id {number} was not found! Unable to process auth checking"
        raise NotFound(text)
    return of_domain(session, name, number)


def _to_hang_on(session: Session, body: Mapping[str, Any]) -> sqlite3.Row:
    """Find the annotation that a body names and that the caller may hang something on."""
    name, number = body.get("domainClassName"), body.get("domainIdent", body.get("domain"))
    row = row_of(session.db, "annotations", number) if name in _NAMES else None
    if row is None:
        raise Crash(f"{name} {number} is null")
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    return row


def add_property(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Hang a property on an annotation."""
    row = _to_hang_on(session, body)
    key, value = _given(body, "key"), _given(body, "value")
    return commands.add(session, PROPERTY, {"annotation": row["id"], "key": key, "value": value})


def edit_property(session: Session, number: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Change a property of an annotation."""
    found = row_of(session.db, PROPERTY.table, number)
    if found is None:
        raise NotFound(f"Property {number} not found")
    row = row_of(session.db, "annotations", found["annotation"])
    assert row is not None  # noqa: S101  it hangs there
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    return commands.edit(session, PROPERTY, number, {"key": _given(body, "key"), "value": _given(body, "value")})


def add_description(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an annotation, once."""
    row = _to_hang_on(session, body)
    if hanging(session.db, DESCRIPTION.table, row["id"]):
        raise WrongArgument(f"Description already exists for {CLASSES['user']} {row['id']}")
    return commands.add(session, DESCRIPTION, {"annotation": row["id"], "data": _given(body, "data")})


def add_tag(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a tag."""
    name = _given(body, "name")
    try:
        return commands.add(session, TAG, {"name": name, "user": session.caller.id})
    except sqlite3.IntegrityError as error:
        raise WrongArgument(f"Tag {name} already exist!") from error


def tag(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Tag an annotation."""
    row = _to_hang_on(session, body)
    found = row_of(session.db, "tags", body.get("tag"))
    if found is None:
        raise WrongArgument(f"tag was not found with id: {body.get('tag')}")
    try:
        return commands.add(session, TAG_ASSOCIATION, {"annotation": row["id"], "tag": found["id"]})
    except sqlite3.IntegrityError as error:
        raise WrongArgument(f"Tag {found['name']} already exist for {CLASSES['user']} {row['id']}!") from error


def attach(session: Session, form: Mapping[str, Any], filename: str, data: bytes) -> sqlite3.Row:
    """Attach a file to an annotation; no command, so nothing to undo."""
    row = _to_hang_on(session, form)
    values = {"annotation": row["id"], "filename": filename, "key": form.get("key"), "data": data}
    return added(session.db, "attached_files", values)


def add_track(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make a track on an image."""
    image = row_of(session.db, "images", body.get("image"))
    if image is None:
        raise NotFound(f"ImageInstance {body.get('image')} not found")
    rights.check_may_edit(session.db, session.caller, image["project"], image["user"])
    values = {"name": _given(body, "name"), "color": body.get("color")}
    try:
        return commands.add(session, TRACK, {**values, "image": image["id"], "project": image["project"]})
    except sqlite3.IntegrityError as error:
        raise WrongArgument(f"Track {values['name']} already exist in this image!") from error


def put_on_track(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Put an annotation on a track."""
    row = annotating.find(session.db, body.get("annotationIdent"))
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    track = row_of(session.db, "tracks", body.get("track"))
    if track is None:
        raise WrongArgument(f"track was not found with id: {body.get('track')}")
    try:
        values = {"annotation": row["id"], "track": track["id"], "slice": row["slice"]}
        return commands.add(session, TRACK_LINK, values)
    except sqlite3.IntegrityError as error:
        text = f"AnnotationTrack already exists for annotation {row['id']} and track {track['name']}"
        raise WrongArgument(text) from error


def link(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Put an annotation into a group of annotations that show the same object."""
    row = annotating.find(session.db, body.get("annotationIdent"))
    rights.check_may_add(session.db, session.caller, row["project"])
    group = row_of(session.db, "annotation_groups", body.get("group"))
    if group is None:
        raise Crash("group is null")
    if group["project"] != row["project"]:
        raise WrongArgument("Group and annotation are not in the same project!")
    return commands.add(session, GROUP_LINK, {"annotation": row["id"], "group": group["id"], "image": row["image"]})


def comment(session: Session, number: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Comment on an annotation."""
    row = annotating.find(session.db, number)
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    values = {"annotation": row["id"], "user": session.caller.id, "text": body.get("comment")}
    return commands.add(session, COMMENT, values)


def set_term(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set a term on an annotation, as the body says it: the path does not count."""
    number = body.get("annotationIdent", body.get("userannotation"))
    row = row_of(session.db, "annotations", number)
    if row is None:
        raise NotFound(f"Annotation annotationIdent={body.get('annotationIdent', 'null')} not found")
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    return annotating.link_term(session, row["id"], body.get("term"), body.get("user") or session.caller.id)


def unset_term(session: Session, row: sqlite3.Row, term: int, user: int | None) -> dict[str, Any]:
    """Take away a term that a user, by default the caller, set."""
    owner = session.caller.id if user is None else user
    links = [
        each for each in hanging(session.db, TERM.table, row["id"]) if (each["term"], each["user"]) == (term, owner)
    ]
    if not links:
        raise NotFound(f"Annotation-term not found {{userannotation={row['id']}, term={term}, user={owner}}}")
    return take_away(session, TERM, links[0])


def take_away(session: Session, kind: Kind, row: sqlite3.Row) -> dict[str, Any]:
    """Delete something that hangs on an annotation."""
    parent = annotating.find(session.db, row["annotation"])
    rights.check_may_edit(session.db, session.caller, parent["project"], parent["user"])
    return commands.delete(session, kind, row["id"], next_id(session.db))


def _given(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value in (None, ""):
        raise WrongArgument(f"{name} is mandatory but not set in JSON")
    return str(value)
