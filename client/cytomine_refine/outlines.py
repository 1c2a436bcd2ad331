"""What Core stores: the outline of an annotation, and its slide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class Outline:
    """An annotation's present outline in Core."""

    annotation_id: int
    image_id: int
    location: str
    """WKT, platform frame (origin bottom left, level-0 pixels)."""
    terms: tuple[int, ...] = ()
    """Ids; only if a single annotation was looked up."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read a record of Core's, single or from a list."""
        return cls(int(record["id"]), int(record["image"]), str(record["location"]), tuple(record.get("term") or ()))


@dataclass(frozen=True, slots=True)
class Slide:
    """A whole-slide image in a project."""

    id: int
    name: str
    """Name of its file; empty in a blind project."""
    width: int
    height: int
    project: int | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Read Core's record of an image."""
        name = record.get("originalFilename") or record.get("instanceFilename") or ""
        return cls(int(record["id"]), str(name), int(record["width"]), int(record["height"]), record.get("project"))

    @property
    def stem(self) -> str:
        """The name without its suffix, usable as a file name."""
        stem = PurePath(self.name.replace("\\", "/")).stem
        return "".join(sign if sign.isprintable() and sign != ":" else "_" for sign in stem) or f"image-{self.id}"
