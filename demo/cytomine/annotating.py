"""Core's rules on annotations: what may be made, changed and deleted, and what becomes of a location."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import shapely

from demo.cytomine import commands, locations, rights
from demo.cytomine.commands import Session
from demo.cytomine.kinds import ANNOTATION, DEPENDENT, GROUP_LINK, PROPERTY, TERM, TRACK_LINK
from demo.cytomine.records import CLASSES
from demo.cytomine.refusals import Changed, Crash, NotFound, WrongArgument
from demo.cytomine.rows import hanging, next_id, now_ms, reference_slice, row_of

_MOST_POINTS = 200


def find(db: sqlite3.Connection, annotation: Any) -> sqlite3.Row:
    """Read an annotation by a number or its text; raises `NotFound`."""
    row = row_of(db, "annotations", annotation)
    if row is None:
        raise NotFound(f"Annotation {annotation} not found")
    return row


def update(session: Session, body: Mapping[str, Any], *, unchanged_since: str | None = None) -> dict[str, Any]:
    """Rebuild an annotation from a body; the ``id`` in the body counts, not the one of the path.

    Parameters
    ----------
    unchanged_since : str, optional
        The ``updated`` that the annotation must still have; of Core's addition for the refine service.

    Raises
    ------
    WrongArgument, Forbidden, NotFound, Changed
        Refused.
    Crash
        A body that Core does not foresee.
    """
    row = _to_update(session.db, body.get("id"))
    rights.check_read(session.db, session.caller, row["project"])
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    if unchanged_since is not None and unchanged_since != f'"{row["updated"]}"':
        raise Changed("The annotation was changed meanwhile.")
    return _updated(session, row, body)


def fill(session: Session, row: sqlite3.Row) -> dict[str, Any]:
    """Remove the holes of what is stored."""
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    geometry = locations.filled(locations.parse_location(row["location"]))
    names = {"id": row["id"], "location": geometry.wkt, "geometryCompression": row["compression"]}
    return _updated(session, row, {**names, **{name: row[name] for name in ("image", "slice", "user", "created")}})


def _to_update(db: sqlite3.Connection, number: Any) -> sqlite3.Row:
    """Find the annotation that a body names."""
    text = "null" if number is None else str(number)
    if number is not None and not text.lstrip("-").isdigit():
        raise Crash(f"For input string: {text}")
    row = row_of(db, "annotations", text)
    if row is None:
        raise NotFound(f"class {CLASSES['user']} {text} not found")
    return row


def _updated(session: Session, row: sqlite3.Row, body: Mapping[str, Any]) -> dict[str, Any]:
    db = session.db
    geometry = locations.parse_location(body.get("location"))
    image = _image_to_update(db, body.get("image"))
    tolerance = float(body.get("geometryCompression") or 0)
    geometry = locations.stored_location(geometry, image["width"], image["height"], tolerance)
    place, owner = _named(db, "slices", body, "slice"), _named(db, "users", body, "user")
    created = body.get("created")
    values = {
        "image": image["id"],
        "slice": place["id"],
        "project": image["project"],
        "user": owner["id"],
        "location": geometry.wkt,
        "compression": tolerance,
        "created": None if created is None else int(float(created)),
        "updated": max(now_ms(), (row["updated"] or 0) + 1),
    }
    return commands.edit(session, ANNOTATION, row["id"], values)


def _image_to_update(db: sqlite3.Connection, number: Any) -> sqlite3.Row:
    if number is None or not str(number).lstrip("-").isdigit():
        raise Crash("The given id must not be null")
    image = row_of(db, "images", number)
    if image is None:
        raise WrongArgument("Annotation not associated with a valid image")
    return image


def create(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """Add an annotation: checked, clipped, freehand outlines simplified; with its terms, properties, tracks, group."""
    db, caller = session.db, session.caller
    if body.get("location") is None:
        raise WrongArgument("Annotation must have a valid geometry:null")
    image, place = _place(db, body)
    rights.check_may_add(db, caller, image["project"])
    owner = body.get("user")
    if owner is not None and owner != caller.id:
        rights.check_may_edit(db, caller, image["project"], None)
    geometry, tolerance = _drawn(body, image)
    transaction = next_id(db)
    values = {
        "kind": "user",
        "image": image["id"],
        "slice": place["id"],
        "project": image["project"],
        "user": caller.id if owner is None else _named(db, "users", body, "user")["id"],
        "location": geometry.wkt,
        "compression": tolerance,
    }
    answer = commands.add(session, ANNOTATION, values, transaction)
    answer["annotation"] |= _with_baggage(session, answer["annotation"], body, transaction)
    return answer


def _place(db: sqlite3.Connection, body: Mapping[str, Any]) -> tuple[sqlite3.Row, sqlite3.Row]:
    """Give the image and the slice that a body names."""
    if body.get("slice") is not None:
        place = row_of(db, "slices", body["slice"])
        if place is None:
            raise NotFound(f"SliceInstance with id {body['slice']}")
        image = row_of(db, "images", place["image"])
        assert image is not None  # noqa: S101  a slice is one of an image
        return image, place
    if body.get("image") is None:
        raise WrongArgument("Cannot retrieve slice or image")
    image = row_of(db, "images", body["image"])
    if image is None:
        raise NotFound(f"ImageInstance with id {body['image']}")
    return image, reference_slice(db, image["id"])


def _drawn(body: Mapping[str, Any], image: sqlite3.Row) -> tuple[shapely.Geometry, float]:
    """Check, clip and simplify what was drawn; gives the tolerance too."""
    try:
        geometry = locations.parse_location(body.get("location"))
    except Crash as error:
        raise WrongArgument("Annotation location is not valid") from error
    geometry = locations.clipped(geometry, image["width"], image["height"])
    locations.check_extent(geometry)
    most = int(body["maxPoint"]) if body.get("maxPoint") else None
    geometry, tolerance = locations.simplified(geometry, most, _MOST_POINTS)
    return locations.valid_location(geometry), tolerance


def _with_baggage(
    session: Session, record: Mapping[str, Any], body: Mapping[str, Any], transaction: int
) -> dict[str, Any]:
    """Hang on a new annotation what its body asks for; gives what the answer tells of it."""
    number = record["id"]
    told: dict[str, Any] = {}
    terms = _numbers(body, "term", "terms")
    for term in terms:
        link_term(session, number, term, session.caller.id, transaction)
    told["term"] = terms
    for each in [*(body.get("property") or []), *(body.get("properties") or [])]:
        pair = {"key": str(each["key"]), "value": str(each["value"])}
        commands.add(session, PROPERTY, {"annotation": number, **pair}, transaction)
    if tracks := _numbers(body, "track", "tracks"):
        for track in tracks:
            values = {"annotation": number, "track": track, "slice": record["slice"]}
            commands.add(session, TRACK_LINK, values, transaction)
        told["track"] = tracks
    if body.get("group") is not None:
        values = {"annotation": number, "group": int(body["group"]), "image": record["image"]}
        told |= {"group": values["group"], "annotationLinks": values}
        commands.add(session, GROUP_LINK, values, transaction)
    return told


def link_term(
    session: Session, annotation: int, term: Any, user: int, transaction: int | None = None
) -> dict[str, Any]:
    """Set a term; raises `NotFound` or `WrongArgument`."""
    db = session.db
    found, row = row_of(db, "terms", term), find(db, annotation)
    if found is None:
        raise NotFound(f"Term {'null' if transaction else term} not found")
    if found["ontology"] != rights.project_of(db, row["project"])["ontology"]:
        raise WrongArgument(f"Term {found['name']} is not in ontology from the annotation project")
    values = {"annotation": annotation, "term": found["id"], "user": user}
    try:
        return commands.add(session, TERM, values, transaction)
    except sqlite3.IntegrityError as error:
        raise WrongArgument(
            f"AnnotationTerm with annotation={annotation} and term {term} and user {user} already exist!"
        ) from error


def delete(session: Session, row: sqlite3.Row) -> dict[str, Any]:
    """Delete an annotation with all that hangs on it, in one transaction; a link to a group goes without a command."""
    rights.check_may_edit(session.db, session.caller, row["project"], row["user"])
    transaction = next_id(session.db)
    record = ANNOTATION.record(session.db, row, session.url)
    for kind in DEPENDENT:
        for each in hanging(session.db, kind.table, row["id"]):
            commands.delete(session, kind, each["id"], transaction)
    answer = commands.delete(session, ANNOTATION, row["id"], transaction)
    answer["annotation"] |= {"term": record["term"]}
    return answer


def _named(db: sqlite3.Connection, table: str, body: Mapping[str, Any], name: str) -> sqlite3.Row:
    """Read a row that a body must name; raises `WrongArgument`."""
    number = body.get(name)
    row = None if number is None else row_of(db, table, number)
    if row is None:
        raise WrongArgument(f"{name} was not found with id: {'null' if number is None else number}")
    return row


def _numbers(body: Mapping[str, Any], *names: str) -> list[int]:
    """Read lists of numbers, each of which may be a single one."""
    found: list[int] = []
    for name in names:
        value = body.get(name) or []
        found += [int(each) for each in (value if isinstance(value, list) else [value])]
    return found
