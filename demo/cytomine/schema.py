"""The tables of the embedded Cytomine."""

from __future__ import annotations

import sqlite3

_VERSION = 2
SCHEMA = """
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
  id INTEGER PRIMARY KEY, annotation INTEGER, term INTEGER, user INTEGER, created INTEGER,
  UNIQUE (annotation, term, user));
CREATE TABLE IF NOT EXISTS properties (
  id INTEGER PRIMARY KEY, annotation INTEGER, key TEXT, value TEXT, created INTEGER);
CREATE INDEX IF NOT EXISTS properties_by_annotation ON properties (annotation);
CREATE TABLE IF NOT EXISTS descriptions (
  id INTEGER PRIMARY KEY, annotation INTEGER UNIQUE, data TEXT, created INTEGER);
CREATE TABLE IF NOT EXISTS comments (
  id INTEGER PRIMARY KEY, annotation INTEGER, user INTEGER, text TEXT, created INTEGER);
CREATE INDEX IF NOT EXISTS comments_by_annotation ON comments (annotation);
CREATE TABLE IF NOT EXISTS tags (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, user INTEGER, created INTEGER);
CREATE TABLE IF NOT EXISTS tag_associations (
  id INTEGER PRIMARY KEY, annotation INTEGER, tag INTEGER, created INTEGER, UNIQUE (annotation, tag));
CREATE TABLE IF NOT EXISTS attached_files (
  id INTEGER PRIMARY KEY, annotation INTEGER, filename TEXT, key TEXT, data BLOB, created INTEGER);
CREATE INDEX IF NOT EXISTS files_by_annotation ON attached_files (annotation);
CREATE TABLE IF NOT EXISTS tracks (
  id INTEGER PRIMARY KEY, name TEXT, color TEXT, image INTEGER, project INTEGER, created INTEGER,
  UNIQUE (image, name));
CREATE TABLE IF NOT EXISTS annotation_tracks (
  id INTEGER PRIMARY KEY, annotation INTEGER, track INTEGER, slice INTEGER, created INTEGER,
  UNIQUE (annotation, track));
CREATE TABLE IF NOT EXISTS annotation_groups (
  id INTEGER PRIMARY KEY, project INTEGER, image_group INTEGER, type TEXT, created INTEGER);
CREATE TABLE IF NOT EXISTS annotation_links (
  id INTEGER PRIMARY KEY, annotation INTEGER UNIQUE, "group" INTEGER, image INTEGER, created INTEGER);
CREATE TABLE IF NOT EXISTS commands (
  id INTEGER PRIMARY KEY, user INTEGER, verb TEXT, kind TEXT, before TEXT, after TEXT, "transaction" INTEGER,
  stack TEXT, pushed INTEGER);
CREATE INDEX IF NOT EXISTS commands_by_user ON commands (user, stack, pushed);
"""


def lay_out(db: sqlite3.Connection) -> None:
    """Make the tables that are not there; a file of an older demo keeps its data, but not what could be undone."""
    if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "commands" in names:
            db.execute("DROP TABLE commands")
            db.execute("ALTER TABLE annotation_terms ADD COLUMN created INTEGER")
            db.execute("UPDATE annotations SET updated = created WHERE updated IS NULL")
        db.execute(f"PRAGMA user_version = {_VERSION}")
    db.executescript(SCHEMA)
