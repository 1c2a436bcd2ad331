"""Core's list of annotations: its filters, its column groups, its paging."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import shapely

from demo.cytomine import records, rights
from demo.cytomine.annotating import find
from demo.cytomine.identity import Caller
from demo.cytomine.refusals import Crash, NotFound, WrongArgument
from demo.cytomine.rows import hanging
from demo.cytomine.wkt import stored_geometry

_GROUPS = ("Basic", "Meta", "WKT", "GIS", "Term", "Track", "Image", "Slice", "User")
_BY_DEFAULT = {"Basic", "Meta", "Term"}


def listed(db: sqlite3.Connection, caller: Caller, query: Mapping[str, Any], url: str) -> dict[str, Any]:
    """List annotations.

    Parameters
    ----------
    query : mapping
        Of a URL or of a body; see ``_conditions`` for the filters.

    Raises
    ------
    WrongArgument
        No project, image or slice is named, or a filter is unreadable.
    Forbidden
        The caller does not see the project.
    NotFound
        A named project, image, slice, user or annotation does not exist.
    """
    conditions, values = _scope(db, caller, query)
    more, more_values = _conditions(db, query)
    conditions, values = conditions + more, values + more_values
    shape = _shape(db, query)
    source = "annotations AS a"
    if shape is not None:
        source = "boxes AS b CROSS JOIN annotations AS a ON a.id = b.id"
        box, box_values = _box(db, query, shape)
        conditions, values = box + conditions, box_values + values
    text = f"SELECT a.* FROM {source} WHERE {' AND '.join(conditions)} ORDER BY a.id DESC"  # noqa: S608  texts of ours
    rows = [row for row in db.execute(text, values) if shape is None or _intersects(row, shape)]
    offset, most = int(query.get("offset") or 0), int(query.get("max") or 0)
    page = records.collection(rows, offset, most)
    groups = _groups(query)
    page["collection"] = [_columns(db, row, groups, url) for row in page["collection"]]
    return page


def included(db: sqlite3.Connection, caller: Caller, image: int, query: Mapping[str, Any], url: str) -> dict[str, Any]:
    """List a user's annotations that intersect a geometry or another annotation, which is left out itself."""
    user = query.get("user")
    if user is None:
        raise Crash("Cannot invoke longValue() on null")
    reviewed = str(user) == "0"
    asked = {**query, "image": image, "user": None if reviewed else user, "reviewed": reviewed, "showTerm": "true"}
    if query.get("annotation"):
        asked |= {"bboxAnnotation": query["annotation"], "excludedAnnotation": query["annotation"]}
    else:
        asked["bbox"] = query.get("geometry")
    return listed(db, caller, asked, url)


def _scope(db: sqlite3.Connection, caller: Caller, query: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Tell which project, images or slices are looked at, and check that the caller may."""
    for name, table, column in (("slice", "slices", "slice"), ("image", "images", "image")):
        named = _ids(query, name)
        if named:
            for number in named:
                rights.check_read(db, caller, _project_of(db, table, number))
            return [f"a.{column} IN ({_marks(named)})"], [*named]
    projects = _ids(query, "project")
    if not projects:
        raise WrongArgument("There is no project or image or slice filter. We cannot check acl!")
    for number in projects:
        rights.project_of(db, number)
        rights.check_read(db, caller, number)
    return [f"a.project IN ({_marks(projects)})"], [*projects]


def _project_of(db: sqlite3.Connection, table: str, number: int) -> int:
    query = {
        "images": "SELECT project FROM images WHERE id = ?",
        "slices": "SELECT i.project FROM slices s JOIN images i ON i.id = s.image WHERE s.id = ?",
    }[table]
    row = db.execute(query, (number,)).fetchone()
    if row is None:
        raise Crash(f"{table[:-1].capitalize()} {number} is null")
    return int(row[0])


def _conditions(db: sqlite3.Connection, query: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """Turn the other filters into SQL."""
    reviewed = _is_true(query.get("reviewed"))
    conditions: list[str] = ["a.kind = ?"]
    values: list[Any] = ["reviewed" if reviewed else "user"]
    users = _ids(query, "user")
    for user in users:
        if db.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone() is None:
            raise NotFound(f"User {user} not found")
    links = "(SELECT count(DISTINCT t.term) FROM annotation_terms t WHERE t.annotation = a.id{})"
    if users:
        conditions.append(f"a.user IN ({_marks(users)})")
        values += users
    if terms := _ids(query, "term"):
        conditions.append(links.format(f" AND t.term IN ({_marks(terms)})") + " > 0")
        values += terms
    if _is_true(query.get("noTerm")):
        conditions.append(links.format("") + " = 0")
    if _is_true(query.get("multipleTerm")):
        conditions.append(links.format("") + " > 1")
    if "tag" in query or "tags" in query:
        tags = _ids(query, "tag")
        of_these = f"a.id IN (SELECT t.annotation FROM tag_associations t WHERE t.tag IN ({_marks(tags)}))"  # noqa: S608
        none = "a.id NOT IN (SELECT t.annotation FROM tag_associations t)"
        conditions.append(f"({of_these} OR {none})" if _is_true(query.get("noTag")) else of_these)
        values += tags
    for name, sign in (("afterThan", ">="), ("beforeThan", "<=")):
        if query.get(name):
            conditions.append(f"a.created {sign} ?")
            values.append(int(query[name]))
    if excluded := query.get("excludedAnnotation"):
        conditions.append("a.id <> ?")
        values.append(int(excluded))
    return conditions, values


def _shape(db: sqlite3.Connection, query: Mapping[str, Any]) -> shapely.Geometry | None:
    """Read ``bbox`` (WKT, or four numbers) or ``bboxAnnotation``; platform frame."""
    if query.get("bboxAnnotation"):
        return stored_geometry(find(db, query["bboxAnnotation"])["location"]) or shapely.Point()
    text = query.get("bbox")
    if not text:
        return None
    try:
        numbers = [float(part) for part in str(text).split(",")] if str(text)[0] in "-0123456789" else None
        return shapely.box(*numbers) if numbers else shapely.from_wkt(text)
    except (ValueError, TypeError, NotImplementedError, shapely.GEOSException) as error:
        raise Crash(f"bbox {text} is not readable") from error


def _box(db: sqlite3.Connection, query: Mapping[str, Any], shape: shapely.Geometry) -> tuple[list[str], list[Any]]:
    """Search the R*Tree by image and box; its edges are single precision, rounded outward."""
    x0, y0, x1, y1 = shape.bounds
    conditions = ["b.x_low <= ?", "b.x_high >= ?", "b.y_low <= ?", "b.y_high >= ?"]
    values: list[Any] = [x1, x0, y1, y0]
    images = _ids(query, "image")
    if images:
        conditions += ["b.image_low <= ?", "b.image_high >= ?"]
        values += [max(images), min(images)]
    return conditions, values


def _intersects(row: sqlite3.Row, shape: shapely.Geometry) -> bool:
    geometry = stored_geometry(row["location"])
    return geometry is not None and bool(shapely.intersects(geometry, shape))


def _groups(query: Mapping[str, Any]) -> set[str]:
    shown = {name for name in _GROUPS if _is_true(query.get(f"show{name}"))}
    hidden = {name for name in _GROUPS if _is_true(query.get(f"hide{name}"))}
    if not shown or _is_true(query.get("showDefault")):
        shown |= _BY_DEFAULT
    return shown - hidden


def _columns(db: sqlite3.Connection, row: sqlite3.Row, groups: set[str], url: str) -> dict[str, Any]:
    """Shape one row of a list; times are numbers here."""
    found: dict[str, Any] = {"class": records.CLASSES[row["kind"]], "id": row["id"]}
    if "Meta" in groups:
        found |= {
            "created": _time(row["created"]),
            "updated": _time(row["updated"]),
            "image": row["image"],
            "slice": row["slice"],
            "project": row["project"],
            "user": row["user"],
            "nbComments": records.comment_count(db, row["id"]),
            "countReviewedAnnotations": 0,
            "reviewed": row["kind"] == "reviewed",
            **records.links(row, url),
        }
    if "WKT" in groups:
        found |= {"location": row["location"], "geometryCompression": row["compression"]}
    if "GIS" in groups:
        found |= records.measures(db, row)
    if "Term" in groups:
        found |= _terms(db, row["id"])
    if "Track" in groups:
        links = hanging(db, "annotation_tracks", row["id"])
        found["track"] = [link["track"] for link in links]
        found["annotationTrack"] = [{"id": link["id"], "track": link["track"]} for link in links]
    if "User" in groups:
        owner = db.execute("SELECT * FROM users WHERE id = ?", (row["user"],)).fetchone()
        found |= {"creator": owner["username"], "firstname": owner["firstname"], "lastname": owner["lastname"]}
    return found


def _terms(db: sqlite3.Connection, annotation: int) -> dict[str, Any]:
    by_term: dict[int, dict[str, Any]] = {}
    for link in records.terms_of(db, annotation):
        entry = {"id": link["id"], "term": link["term"], "user": []}
        by_term.setdefault(link["term"], entry)["user"].append(link["user"])
    return {"term": list(by_term), "userByTerm": list(by_term.values())}


def _time(value: int | None) -> float | None:
    """Give a time as lists do: milliseconds, as a float."""
    return None if value is None else float(value)


def _ids(query: Mapping[str, Any], name: str) -> list[int]:
    """Read a filter in both of its forms: ``name`` and ``names``, one number or several with commas."""
    found: list[int] = []
    for key in (name, f"{name}s"):
        value = query.get(key)
        if value in (None, ""):
            continue
        parts = value if isinstance(value, list) else str(value).split(",")
        try:
            found += [int(part) for part in parts]
        except ValueError as error:
            raise Crash(f"{key} {value} is not readable") from error
    return found


def _marks(values: list[int]) -> str:
    return ", ".join("?" * len(values))


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
