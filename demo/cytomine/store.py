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
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from demo.cytomine.wkt import stored_geometry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (next INTEGER NOT NULL);
INSERT INTO ids SELECT 100 WHERE NOT EXISTS (SELECT * FROM ids);
CREATE TABLE IF NOT EXISTS users (
  id INTEGER PRIMARY KEY, username TEXT UNIQUE, firstname TEXT, lastname TEXT, email TEXT, public_key TEXT UNIQUE,
  private_key TEXT, password TEXT, roles TEXT, enabled INTEGER DEFAULT 1, created INTEGER);
CREATE TABLE IF NOT EXISTS projects (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE, ontology INTEGER, restricted INTEGER, read_only INTEGER, blind INTEGER,
  created INTEGER);
CREATE TABLE IF NOT EXISTS members (project INTEGER, user INTEGER, mask INTEGER, PRIMARY KEY (project, user));
CREATE TABLE IF NOT EXISTS images (
  id INTEGER PRIMARY KEY, base INTEGER, project INTEGER, user INTEGER, filename TEXT, path TEXT, width INTEGER,
  height INTEGER, channels INTEGER, depth INTEGER, duration INTEGER, bits INTEGER, samples INTEGER, microns REAL,
  magnification INTEGER, created INTEGER);
CREATE TABLE IF NOT EXISTS slices (
  id INTEGER PRIMARY KEY, image INTEGER, channel INTEGER, z INTEGER, t INTEGER);
CREATE TABLE IF NOT EXISTS terms (id INTEGER PRIMARY KEY, name TEXT, color TEXT, ontology INTEGER, created INTEGER);
CREATE TABLE IF NOT EXISTS annotations (
  id INTEGER PRIMARY KEY, kind TEXT, image INTEGER, slice INTEGER, project INTEGER, user INTEGER, location TEXT,
  compression REAL, created INTEGER, updated INTEGER);
CREATE INDEX IF NOT EXISTS annotations_by_image ON annotations (image, kind, user);
CREATE TABLE IF NOT EXISTS counts (image INTEGER, kind TEXT, count INTEGER, PRIMARY KEY (image, kind));
CREATE TRIGGER IF NOT EXISTS count_added AFTER INSERT ON annotations BEGIN
  INSERT INTO counts VALUES (new.image, new.kind, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER IF NOT EXISTS count_removed AFTER DELETE ON annotations BEGIN
  UPDATE counts SET count = count - 1 WHERE image = old.image AND kind = old.kind;
END;
CREATE VIRTUAL TABLE IF NOT EXISTS boxes USING rtree (
  id, image_low, image_high, x_low, x_high, y_low, y_high);
CREATE TABLE IF NOT EXISTS annotation_terms (
  id INTEGER PRIMARY KEY, annotation INTEGER, term INTEGER, user INTEGER, UNIQUE (annotation, term, user));
CREATE TABLE IF NOT EXISTS properties (
  id INTEGER PRIMARY KEY, annotation INTEGER, key TEXT, value TEXT, created INTEGER);
CREATE INDEX IF NOT EXISTS properties_by_annotation ON properties (annotation);
CREATE TABLE IF NOT EXISTS descriptions (
  id INTEGER PRIMARY KEY, annotation INTEGER UNIQUE, data TEXT, created INTEGER);
CREATE TABLE IF NOT EXISTS comments (
  id INTEGER PRIMARY KEY, annotation INTEGER, user INTEGER, text TEXT, created INTEGER);
CREATE INDEX IF NOT EXISTS comments_by_annotation ON comments (annotation);
CREATE TABLE IF NOT EXISTS commands (
  id INTEGER PRIMARY KEY, user INTEGER, kind TEXT, annotation INTEGER, before TEXT, after TEXT, message TEXT,
  stack TEXT, pushed INTEGER);
CREATE INDEX IF NOT EXISTS commands_by_user ON commands (user, stack, pushed);
"""

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
            connection.executescript(_SCHEMA)

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
        return self._added("properties", {"annotation": annotation, "key": key, "value": value, "created": now_ms()})

    def add_description(self, annotation: int, data: str) -> int:
        """Describe an annotation."""
        return self._added("descriptions", {"annotation": annotation, "data": data, "created": now_ms()})

    def add_comment(self, annotation: int, user: int, text: str) -> int:
        """Comment on an annotation."""
        return self._added("comments", {"annotation": annotation, "user": user, "text": text, "created": now_ms()})

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
            forget_annotation(db, annotation)

    def _next_id(self) -> int:
        with self.transaction(write=True) as db:
            return next_id(db)

    def _added(self, table: str, values: Mapping[str, Any]) -> int:
        with self.transaction(write=True) as db:
            number = next_id(db)
            insert(db, table, {"id": number, **values})
        return number


def next_id(db: sqlite3.Connection) -> int:
    """Take the next number of the one sequence that all things share."""
    row = db.execute("UPDATE ids SET next = next + 1 RETURNING next").fetchone()
    return int(row[0])


def insert(db: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> None:
    """Insert a row; table and column names are ours, never a caller's."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608  see above


def _add_annotation(db: sqlite3.Connection, new: NewAnnotation) -> int:
    number = next_id(db)
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
        "created": now_ms(),
        "updated": None,
    }
    insert(db, "annotations", values)
    index_box(db, number)
    for term in new.terms:
        insert(db, "annotation_terms", {"id": next_id(db), "annotation": number, "term": term, "user": new.user})
    return number


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


def forget_annotation(db: sqlite3.Connection, annotation: int) -> None:
    """Delete an annotation with all that hangs on it."""
    for table in ("annotation_terms", "properties", "descriptions", "comments"):
        db.execute(f"DELETE FROM {table} WHERE annotation = ?", (annotation,))  # noqa: S608  names of ours
    db.execute("DELETE FROM boxes WHERE id = ?", (annotation,))
    db.execute("DELETE FROM annotations WHERE id = ?", (annotation,))


def now_ms() -> int:
    """Give epoch milliseconds."""
    return time.time_ns() // 1_000_000


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Hash a password as salt and scrypt digest, in hexadecimal."""
    salt = salt or os.urandom(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1).hex()}"


def password_fits(password: str, stored: str | None) -> bool:
    """Compare a password with a stored hash."""
    if not stored:
        return False
    return hmac.compare_digest(stored, hash_password(password, bytes.fromhex(stored.partition(":")[0])))
