"""The kinds of Core's objects that commands change: their tables, their JSON and the messages about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from demo.cytomine.records import CLASSES, annotation_record, described, full_name
from demo.cytomine.rows import row_of

Verb = Literal["Add", "Edit", "Delete"]
Record = Callable[[sqlite3.Connection, sqlite3.Row, str], dict[str, Any]]
_ON_ANNOTATIONS = CLASSES["user"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of objects."""

    name: str
    table: str
    record: Record
    messages: dict[Verb, str]
    """Formats, whose names are members of the record, and ``caller``, ``image``, ``layer`` for annotations."""
    member: str = ""
    """Under which an answer has the record; default: the name in small letters."""
    restorable: bool = True
    """Whether it can be made again from its record."""


def term_link_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape the link between an annotation and a term."""
    links = {"userannotation": row["annotation"], "term": row["term"], "user": row["user"]}
    return {**described("ontology.AnnotationTerm", row), **links}


def property_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a property of an annotation."""
    return {**_on_annotation("meta.Property", row), "key": row["key"], "value": row["value"]}


def description_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape the description of an annotation."""
    return {**_on_annotation("meta.Description", row), "data": row["data"]}


def file_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a file that is attached to an annotation."""
    place = f"/api/attachedfile/{row['id']}/download"
    return {**_on_annotation("meta.AttachedFile", row), "url": place, "filename": row["filename"], "key": row["key"]}


def tag_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a tag."""
    creator = row_of(db, "users", row["user"])
    name = None if creator is None else creator["username"]
    return {**described("meta.Tag", row), "name": row["name"], "user": row["user"], "creatorName": name}


def tag_association_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape the association of a tag with an annotation."""
    tag = row_of(db, "tags", row["tag"])
    name = None if tag is None else tag["name"]
    return {**_on_annotation("meta.TagDomainAssociation", row), "tag": row["tag"], "tagName": name}


def track_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a track."""
    members = {name: row[name] for name in ("name", "color", "image", "project")}
    return {**described("ontology.Track", row), **members}


def track_link_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape the link between an annotation and a track."""
    links = {**_ident(row), "track": row["track"], "slice": row["slice"]}
    return {**described("ontology.AnnotationTrack", row), **links}


def group_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a group of annotations that show the same object."""
    members = {"project": row["project"], "imageGroup": row["image_group"], "type": row["type"]}
    return {**described("ontology.AnnotationGroup", row), **members}


def group_link_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape the link between an annotation and its group."""
    links = {**_ident(row), "group": row["group"], "image": row["image"]}
    return {**described("ontology.AnnotationLink", row), **links}


def comment_record(db: sqlite3.Connection, row: sqlite3.Row, url: str) -> dict[str, Any]:
    """Shape a comment on an annotation."""
    sender = {"sender": row["user"], "senderName": full_name(db, row["user"]), "receivers": []}
    return {**described("ontology.SharedAnnotation", row), **_ident(row), "comment": row["text"], **sender}


def _ident(row: sqlite3.Row) -> dict[str, Any]:
    return {"annotationIdent": row["annotation"], "annotationClassName": _ON_ANNOTATIONS}


def _on_annotation(name: str, row: sqlite3.Row) -> dict[str, Any]:
    return {**described(name, row), "domainIdent": row["annotation"], "domainClassName": _ON_ANNOTATIONS}


def _messages(added: str, deleted: str, edited: str = "") -> dict[Verb, str]:
    return {"Add": added, "Delete": deleted, "Edit": edited}


_ABOUT = "{domainClassName} {domainIdent}"
ANNOTATION = Kind(
    "UserAnnotation",
    "annotations",
    annotation_record,
    _messages(
        "{caller} added an annotation in {image} on layer {layer}",
        "{caller} deleted an annotation in {image} on layer {layer}",
        "{caller} edited annotation from {image} on layer {layer}",
    ),
    member="annotation",
)
TERM = Kind(
    "AnnotationTerm",
    "annotation_terms",
    term_link_record,
    _messages(
        "Term {termName} is added to annotation {userannotation}",
        "Term {termName} is deleted from annotation {userannotation}",
    ),
)
PROPERTY = Kind(
    "Property",
    "properties",
    property_record,
    _messages(f"Property {{key}} added to {_ABOUT}", f"Property {{key}} deleted for {_ABOUT}"),
)
DESCRIPTION = Kind(
    "Description",
    "descriptions",
    description_record,
    _messages("Description for {domainClassName} created", "Description for {domainClassName} deleted"),
)
FILE = Kind(
    "AttachedFile",
    "attached_files",
    file_record,
    _messages(
        "AttachedFileCommand {id} added to {domainClassName}", "AttachedFileCommand {id} deleted from {domainClassName}"
    ),
    restorable=False,
)
TAG = Kind("Tag", "tags", tag_record, _messages("Tag {id} ({name}) added", "Tag {id} ({name}) deleted"))
TAG_ASSOCIATION = Kind(
    "TagDomainAssociation",
    "tag_associations",
    tag_association_record,
    _messages(
        "TagDomainAssociation between {tagName} and {domainIdent} {domainClassName} added",
        "TagDomainAssociation between {tagName} and {domainIdent} {domainClassName} deleted",
    ),
)
TRACK = Kind("Track", "tracks", track_record, _messages("Track {id} ({name}) added", "Track {id} ({name}) deleted"))
TRACK_LINK = Kind(
    "AnnotationTrack",
    "annotation_tracks",
    track_link_record,
    _messages(
        "Annotation {annotationIdent} added to track {trackName}",
        "Annotation {annotationIdent} deleted from track {trackName}",
    ),
)
GROUP = Kind(
    "AnnotationGroup",
    "annotation_groups",
    group_record,
    _messages("Annotation group {id} added to image group {imageGroup}", ""),
)
GROUP_LINK = Kind(
    "AnnotationLink",
    "annotation_links",
    group_link_record,
    _messages("Annotation {id} added to group {group}", "Annotation {id} removed from group {group}"),
)
COMMENT = Kind(
    "SharedAnnotation",
    "comments",
    comment_record,
    _messages(
        "{sender} added an comment on annotation {annotationIdent} {annotationClassName}",
        "Comment of {sender} on annotation {annotationIdent} {annotationClassName} deleted",
    ),
)
KINDS = {
    kind.name: kind
    for kind in (
        ANNOTATION, TERM, PROPERTY, DESCRIPTION, FILE, TAG, TAG_ASSOCIATION, TRACK, TRACK_LINK, GROUP, GROUP_LINK,
        COMMENT,
    )
}  # fmt: skip
DEPENDENT = (TERM, COMMENT, TRACK_LINK, PROPERTY, DESCRIPTION, FILE, TAG_ASSOCIATION)
"""What is deleted, command by command, before its annotation; links to a group are not, they just go."""


def message(db: sqlite3.Connection, kind: Kind, verb: Verb, caller: int, record: dict[str, Any]) -> str:
    """Say what a command did."""
    words = {**record, "caller": full_name(db, caller)}
    if kind is ANNOTATION:
        image = row_of(db, "images", record["image"])
        words |= {"image": image["filename"] if image else None, "layer": full_name(db, record["user"])}
    for name, table in (("term", "terms"), ("track", "tracks")):
        if kind in (TERM, TRACK_LINK) and name in record:
            found = row_of(db, table, record[name])
            words[f"{name}Name"] = found["name"] if found else None
    return kind.messages[verb].format(**words)
