"""What the embedded Cytomine knows, in one SQLite file that survives a restart.

Each request is one transaction. An R*Tree over (image, x, y) finds the annotations of a box at a cost that does not
depend on how many annotations the image has. Locations are WKT in the platform frame: origin bottom-left, y up.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from demo.cytomine.rows import (
    HANGING,
    added,
    index_box,
    insert,
    next_id,
    now_ms,
    reference_slice,
    remove_annotation,
)
from demo.cytomine.schema import lay_out

_BUSY_S = 30.0


class Role(IntEnum):
    """What a user may become; each includes the smaller ones."""

    GUEST = 1
    USER = 2
    ADMIN = 3
    SUPER_ADMIN = 4


class Mask(IntEnum):
    """Rights of a member of a project; a right is had by whoever has a larger one."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMINISTRATION = 16


@dataclass(frozen=True, slots=True)
class User:
    """An account with its API keys."""

    id: int
    username: str
    public_key: str
    private_key: str


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """An annotation to be added without going through the rules of Core."""

    image: int
    user: int
    location: str
    terms: tuple[int, ...] = ()
    compression: float = 0.0
    kind: str = "user"


class Store:
    """The SQLite file. Safe to share between threads and processes.

    Parameters
    ----------
    file : Path
        Made if it is not there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            lay_out(connection)

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a transaction: committed at the end, rolled back on any exception."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield connection
        finally:
            connection.close()

    # What the demo and the tests put in

    def add_user(self, username: str, *, role: Role = Role.USER, password: str = "", enabled: bool = True) -> User:
        """Add an account with fresh API keys, or give the one of this name."""
        with self.transaction(write=True) as db:
            row = db.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
            if row is None:
                keys = (secrets.token_hex(16), secrets.token_hex(16))
                values = {
                    "id": next_id(db),
                    "username": username,
                    "firstname": username.capitalize(),
                    "lastname": "Demo",
                    "email": f"{username}@example.org",
                    "public_key": keys[0],
                    "private_key": keys[1],
                    "password": hash_password(password) if password else None,
                    "roles": ",".join(f"ROLE_{each.name}" for each in Role if each <= role),
                    "enabled": int(enabled),
                    "created": now_ms(),
                }
                insert(db, "users", values)
                row = db.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
        return User(row["id"], row["username"], row["public_key"], row["private_key"])

    def add_project(self, name: str, *, restricted: bool = False, read_only: bool = False, blind: bool = False) -> int:
        """Add a project with an ontology of its own."""
        values = {"name": name, "restricted": restricted, "read_only": read_only, "blind": blind}
        return self._added("projects", {**values, "created": now_ms(), "ontology": self._next_id()})

    def add_member(self, project: int, user: int, mask: Mask = Mask.WRITE) -> None:
        """Add a member, or change the rights of one."""
        with self.transaction(write=True) as db:
            db.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (project, user, int(mask)))

    def add_image(
        self,
        project: int,
        user: int,
        path: str | None,
        width: int | None,
        height: int | None,
        *,
        microns: float | None = None,
        magnification: int | None = None,
        bits: int = 8,
        samples: int = 3,
        planes: tuple[int, int, int] = (1, 1, 1),
    ) -> int:
        """Add an image instance with its slices; `planes` counts channels, depths and times."""
        channels, depth, duration = planes
        with self.transaction(write=True) as db:
            image = next_id(db)
            values = {
                "id": image,
                "base": next_id(db),
                "project": project,
                "user": user,
                "filename": Path(path).name if path else "slide",
                "path": path,
                "width": width,
                "height": height,
                "channels": channels,
                "depth": depth,
                "duration": duration,
                "bits": bits,
                "samples": samples,
                "microns": microns,
                "magnification": magnification,
                "created": now_ms(),
            }
            insert(db, "images", values)
            for c in range(channels):
                for z in range(depth):
                    for t in range(duration):
                        insert(db, "slices", {"id": next_id(db), "image": image, "channel": c, "z": z, "t": t})
        return image

    def add_term(self, project: int, name: str, color: str = "#ff8800") -> int:
        """Add a term to the project's ontology."""
        with self.transaction() as db:
            ontology = db.execute("SELECT ontology FROM projects WHERE id = ?", (project,)).fetchone()[0]
        return self._added("terms", {"name": name, "color": color, "ontology": ontology, "created": now_ms()})

    def add_annotation(self, image: int, user: int, location: str, **more: Any) -> int:
        """Add one annotation as it is, without Core's rules; see `NewAnnotation`."""
        return self.add_annotations([NewAnnotation(image, user, location, **more)])[0]

    def add_annotations(self, annotations: Iterable[NewAnnotation]) -> list[int]:
        """Add many annotations in one transaction."""
        with self.transaction(write=True) as db:
            return [_add_annotation(db, annotation) for annotation in annotations]

    def add_property(self, annotation: int, key: str, value: str) -> int:
        """Hang a property on an annotation."""
        return self._hung("properties", annotation, {"key": key, "value": value})

    def add_description(self, annotation: int, data: str) -> int:
        """Describe an annotation."""
        return self._hung("descriptions", annotation, {"data": data})

    def add_comment(self, annotation: int, user: int, text: str) -> int:
        """Comment on an annotation."""
        return self._hung("comments", annotation, {"user": user, "text": text})

    def add_attached_file(self, annotation: int, filename: str, data: bytes = b"attached") -> int:
        """Attach a file to an annotation."""
        return self._hung("attached_files", annotation, {"filename": filename, "data": data})

    def add_tag(self, annotation: int, name: str) -> int:
        """Tag an annotation, in its owner's name; gives the association."""
        with self.transaction(write=True) as db:
            owner = db.execute("SELECT user FROM annotations WHERE id = ?", (annotation,)).fetchone()["user"]
            tag = db.execute("SELECT * FROM tags WHERE name = ?", (name,)).fetchone()
            tag = tag or added(db, "tags", {"name": name, "user": owner})
            return int(added(db, "tag_associations", {"annotation": annotation, "tag": tag["id"]})["id"])

    def add_track(self, annotation: int, name: str, color: str = "#ff8800") -> int:
        """Put an annotation on a track of its image; gives the link between them."""
        with self.transaction(write=True) as db:
            row = db.execute("SELECT * FROM annotations WHERE id = ?", (annotation,)).fetchone()
            named = (row["image"], name)
            track = db.execute("SELECT * FROM tracks WHERE image = ? AND name = ?", named).fetchone()
            values = {"name": name, "color": color, "image": row["image"], "project": row["project"]}
            track = track or added(db, "tracks", values)
            link = {"annotation": annotation, "track": track["id"], "slice": row["slice"]}
            return int(added(db, "annotation_tracks", link)["id"])

    def add_link(self, annotations: Iterable[int]) -> int:
        """Link annotations that show the same object; gives their group."""
        with self.transaction(write=True) as db:
            images = {
                number: db.execute("SELECT image, project FROM annotations WHERE id = ?", (number,)).fetchone()
                for number in annotations
            }
            project = next(iter(images.values()))["project"]
            values = {"project": project, "image_group": next_id(db), "type": "SAME_OBJECT"}
            group = int(added(db, "annotation_groups", values)["id"])
            for number, row in images.items():
                added(db, "annotation_links", {"annotation": number, "group": group, "image": row["image"]})
            return group

    # What the demo and the tests look at

    def location(self, annotation: int) -> str | None:
        """Give an annotation's WKT, or None if it is not there."""
        with self.transaction() as db:
            row = db.execute("SELECT location FROM annotations WHERE id = ?", (annotation,)).fetchone()
        return None if row is None else str(row[0])

    def annotation_ids(self, image: int) -> list[int]:
        """List the annotations of an image."""
        with self.transaction() as db:
            rows = db.execute("SELECT id FROM annotations WHERE image = ? ORDER BY id", (image,))
            return [row[0] for row in rows]

    def set_location(self, annotation: int, location: str) -> None:
        """Change an annotation as another user would at the same time."""
        with self.transaction(write=True) as db:
            db.execute(
                "UPDATE annotations SET location = ?, updated = ? WHERE id = ?", (location, now_ms(), annotation)
            )
            index_box(db, annotation)

    def remove(self, annotation: int) -> None:
        """Take an annotation away, as another user would at the same time."""
        with self.transaction(write=True) as db:
            remove_annotation(db, annotation, HANGING)

    def _hung(self, table: str, annotation: int, values: Mapping[str, Any]) -> int:
        with self.transaction(write=True) as db:
            return int(added(db, table, {"annotation": annotation, **values})["id"])

    def _next_id(self) -> int:
        with self.transaction(write=True) as db:
            return next_id(db)

    def _added(self, table: str, values: Mapping[str, Any]) -> int:
        with self.transaction(write=True) as db:
            number = next_id(db)
            insert(db, table, {"id": number, **values})
        return number


def _add_annotation(db: sqlite3.Connection, new: NewAnnotation) -> int:
    number, now = next_id(db), now_ms()
    image = db.execute("SELECT project FROM images WHERE id = ?", (new.image,)).fetchone()
    values = {
        "id": number,
        "kind": new.kind,
        "image": new.image,
        "slice": reference_slice(db, new.image)["id"],
        "project": image["project"],
        "user": new.user,
        "location": new.location,
        "compression": new.compression,
        "created": now,
        "updated": now,
    }
    insert(db, "annotations", values)
    index_box(db, number)
    for term in new.terms:
        added(db, "annotation_terms", {"annotation": number, "term": term, "user": new.user})
    return number


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Hash a password as salt and scrypt digest, in hexadecimal."""
    salt = salt or os.urandom(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1).hex()}"


def password_fits(password: str, stored: str | None) -> bool:
    """Compare a password with a stored hash."""
    if not stored:
        return False
    return hmac.compare_digest(stored, hash_password(password, bytes.fromhex(stored.partition(":")[0])))
