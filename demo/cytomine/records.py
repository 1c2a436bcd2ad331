"""The JSON shapes of Core's objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import shapely

from demo.cytomine.identity import Caller
from demo.cytomine.locations import area_and_perimeter
from demo.cytomine.store import Mask
from demo.cytomine.wkt import stored_geometry

DOMAIN = "be.cytomine.domain"
CLASSES = {
    "user": f"{DOMAIN}.ontology.UserAnnotation",
    "reviewed": f"{DOMAIN}.ontology.ReviewedAnnotation",
    "algo": f"{DOMAIN}.ontology.AlgoAnnotation",
}


def described(name: str, row: sqlite3.Row) -> dict[str, Any]:
    """Give what all of Core's objects tell: their class, number and times, as texts."""
    made = _text(row["created"])
    return {"class": f"{DOMAIN}.{name}", "id": row["id"], "created": made, "updated": made}


def full_name(db: sqlite3.Connection, user: int) -> str | None:
    """Give a user's name as messages tell it."""
    row = db.execute("SELECT firstname, lastname FROM users WHERE id = ?", (user,)).fetchone()
    return None if row is None else f"{row['firstname']} {row['lastname']}"


def annotation_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a single annotation; times are texts here.

    Parameters
    ----------
    url : str
        Base URL of the server, for links.
    """
    return {
        "class": CLASSES[row["kind"]],
        "id": row["id"],
        "created": _text(row["created"]),
        "updated": _text(row["updated"]),
        "slice": row["slice"],
        "image": row["image"],
        "project": row["project"],
        "user": row["user"],
        "location": row["location"],
        "geometryCompression": row["compression"],
        **measures(db, row),
        "term": sorted({each["term"] for each in terms_of(db, row["id"])}),
        "nbComments": comment_count(db, row["id"]),
        **links(row, url),
        "reviewed": row["kind"] == "reviewed",
    }


def measures(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """Give area, perimeter and centroid with their units; nothing where the location is unreadable."""
    image = db.execute("SELECT microns FROM images WHERE id = ?", (row["image"],)).fetchone()
    geometry = stored_geometry(row["location"])
    if geometry is None:
        return {}
    centre = geometry.centroid
    centroid = None if centre.is_empty else {"x": _finite(centre.x), "y": _finite(centre.y)}
    measured = {
        name: _finite(value) if isinstance(value, float) else value
        for name, value in _measured(geometry, image["microns"]).items()
    }
    return {"centroid": centroid, **measured}


def _measured(geometry: shapely.Geometry, microns: float | None) -> dict[str, float | str]:
    if not all(abs(value) < float("inf") for value in (geometry.area, geometry.length)):
        return {}
    return area_and_perimeter(geometry, microns)


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def links(row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Give an annotation's URLs."""
    crop = f"{url}/api/{row['kind']}annotation/{row['id']}/crop.png"
    return {
        "cropURL": crop,
        "smallCropURL": f"{crop}?maxSize=256",
        "url": crop,
        "imageURL": f"{url}/#/project/{row['project']}/image/{row['image']}/annotation/{row['id']}",
    }


def terms_of(db: sqlite3.Connection, annotation: int) -> list[sqlite3.Row]:
    """List an annotation's terms with the users who set them."""
    return db.execute("SELECT * FROM annotation_terms WHERE annotation = ? ORDER BY id", (annotation,)).fetchall()


def comment_count(db: sqlite3.Connection, annotation: int) -> int:
    """Count an annotation's comments."""
    return int(db.execute("SELECT count(*) FROM comments WHERE annotation = ?", (annotation,)).fetchone()[0])


def image_record(
    db: sqlite3.Connection, row: sqlite3.Row, url: str, *, blind: bool = False, hide_names: bool = False
) -> dict[str, Any]:
    """Shape an image instance; in blind projects its names and its path are hidden from all but managers."""
    name, path = (None, None) if hide_names else (row["filename"], row["path"])
    counts = dict(db.execute("SELECT kind, count FROM counts WHERE image = ?", (row["id"],)).fetchall())
    return {
        **described("image.ImageInstance", row),
        "baseImage": row["base"],
        "project": row["project"],
        "user": row["user"],
        "instanceFilename": name,
        "originalFilename": name,
        "filename": path,
        "blindedName": str(row["base"]) if blind else None,
        "path": path,
        "contentType": row["filename"].rpartition(".")[2].upper(),
        "width": row["width"],
        "height": row["height"],
        "depth": row["depth"],
        "duration": row["duration"],
        "channels": row["channels"],
        "extrinsicChannels": row["channels"] * row["samples"],
        "physicalSizeX": row["microns"],
        "physicalSizeY": row["microns"],
        "physicalSizeZ": None,
        "fps": None,
        "zoom": _zooms(row["width"], row["height"]),
        "tileSize": 256,
        "isVirtual": False,
        "magnification": row["magnification"],
        "bitPerSample": row["bits"],
        "samplePerPixel": row["samples"],
        "colorspace": None,
        "reviewStart": None,
        "reviewStop": None,
        "reviewUser": None,
        "reviewed": False,
        "inReview": False,
        "numberOfAnnotations": counts.get("user", 0),
        "numberOfJobAnnotations": counts.get("algo", 0),
        "numberOfReviewedAnnotations": counts.get("reviewed", 0),
        "thumb": f"{url}/api/imageinstance/{row['id']}/thumb.png?maxSize=512",
        "preview": f"{url}/api/imageinstance/{row['id']}/thumb.png?maxSize=1024",
        "macroURL": None,
        **({"fullPath": None} if hide_names else {}),
    }


def _zooms(width: int | None, height: int | None) -> int | None:
    """Count the tiers from full resolution down to one tile."""
    return None if not width or not height else max(0, (max(width, height) - 1) // 256).bit_length()


def slice_record(row: sqlite3.Row, image: sqlite3.Row) -> dict[str, Any]:
    """Shape a slice instance."""
    planes = (image["channels"], image["depth"])
    return {
        **described("image.SliceInstance", image),
        "id": row["id"],
        "uploadedFile": image["base"],
        "image": row["image"],
        "project": image["project"],
        "baseSlice": row["id"],
        "mime": "image/pyrtiff",
        "channel": row["channel"],
        "zStack": row["z"],
        "time": row["t"],
        "rank": row["channel"] + planes[0] * (row["z"] + planes[1] * row["t"]),
        "channelName": None,
        "channelColor": None,
        "zName": None,
        "path": image["path"],
    }


def user_record(row: sqlite3.Row, caller: Caller) -> dict[str, Any]:
    """Shape a user; only oneself sees one's keys."""
    roles = set(row["roles"].split(","))
    record = {
        **described("security.User", row),
        "username": row["username"],
        "origin": "BOOTSTRAP",
        "algo": False,
        "firstname": row["firstname"],
        "lastname": row["lastname"],
        "language": "ENGLISH",
        "isDeveloper": False,
        "enabled": bool(row["enabled"]),
        "admin": "ROLE_ADMIN" in roles,
        "user": "ROLE_ADMIN" not in roles and "ROLE_USER" in roles,
        "guest": "ROLE_USER" not in roles,
    }
    if row["id"] != caller.id:
        return record
    admin = caller.admin_by_now
    return record | {
        "email": row["email"],
        "passwordExpired": False,
        "publicKey": row["public_key"],
        "privateKey": row["private_key"],
        "adminByNow": admin,
        "userByNow": not admin and "ROLE_USER" in roles,
        "guestByNow": not admin and "ROLE_USER" not in roles,
        "isSwitched": False,
    }


def member_record(row: sqlite3.Row) -> dict[str, Any]:
    """Shape a member of a project; `row` is of a user, with the mask of the member."""
    return {
        **described("security.User", row),
        "username": row["username"],
        "origin": "BOOTSTRAP",
        "algo": False,
        "firstname": row["firstname"],
        "lastname": row["lastname"],
        "language": "ENGLISH",
        "isDeveloper": False,
        "enabled": bool(row["enabled"]),
        "user": None,
        "role": "manager" if row["mask"] >= Mask.ADMINISTRATION else "contributor",
    }


def project_record(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """Shape a project."""
    images = db.execute("SELECT count(*) FROM images WHERE project = ?", (row["id"],)).fetchone()[0]
    query = "SELECT kind, sum(count) FROM counts WHERE image IN (SELECT id FROM images WHERE project = ?) GROUP BY kind"
    counts = dict(db.execute(query, (row["id"],)).fetchall())
    return {
        **described("project.Project", row),
        "name": row["name"],
        "ontology": row["ontology"],
        "ontologyName": row["name"],
        "blindMode": bool(row["blind"]),
        "areImagesDownloadable": False,
        "numberOfSlides": 0,
        "numberOfImages": images,
        "numberOfAnnotations": counts.get("user", 0),
        "numberOfJobAnnotations": counts.get("algo", 0),
        "numberOfReviewedAnnotations": counts.get("reviewed", 0),
        "isClosed": False,
        "isReadOnly": bool(row["read_only"]),
        "isRestricted": bool(row["restricted"] and not row["read_only"]),
        "hideUsersLayers": False,
        "hideAdminsLayers": False,
    }


def term_record(row: sqlite3.Row) -> dict[str, Any]:
    """Shape a term."""
    return {
        **described("ontology.Term", row),
        "name": row["name"],
        "comment": None,
        "ontology": row["ontology"],
        "color": row["color"],
        "parent": None,
    }


def collection(items: Iterable[Any], offset: int = 0, most: int = 0) -> dict[str, Any]:
    """Page a list; `most` 0 is everything."""
    everything = list(items)
    page = everything[offset : offset + most] if most else everything[offset:]
    return {
        "collection": page,
        "offset": offset,
        "perPage": min(most or len(everything), len(everything)),
        "size": len(everything),
        "totalPages": -(-len(everything) // most) if most else int(bool(everything)),
    }


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
