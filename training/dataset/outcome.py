"""What an export was asked for, and what it did: every record of the source is counted, and named unless it is kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from training.dataset.files import write_whole
from training.dataset.identity import digest

TOLD = "told"


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a source is worth having."""

    smallest_area_px0: float = 100.0
    """Smaller objects are left out."""
    edges: bool = False
    """Also objects that a tile's edge may have cut; the edges of whole slides cut nothing."""
    per_slide: int | None = None
    """Most objects of a slide, drawn evenly; None: all."""
    seed: int = 0
    prune: bool = False
    """Take out what is gone from the source."""


@dataclass(frozen=True, slots=True)
class Note:
    """A record that is not in the dataset as it stands, and why."""

    kind: str
    """left out, refused, gone, taken out."""
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass
class Exported:
    """What an export did."""

    source: str = ""
    """As `sources.json` calls it."""
    new: int = 0
    changed: int = 0
    """Outline, class or window are others than before: the old item went."""
    kept: int = 0
    notes: list[Note] = field(default_factory=list)
    moved_from: str | None = None
    """Where the source lay before."""
    unsure: bool = False
    """Whether nothing was looked for as gone, since it is not known which slides could not be read."""

    def note(self, kind: str, what: str, why: str) -> None:
        """Name a record that is not in the dataset as it stands."""
        self.notes.append(Note(kind, what, why))

    def of(self, kind: str) -> list[Note]:
        """List the notes of a kind."""
        return [note for note in self.notes if note.kind == kind]

    @property
    def left_out(self) -> int:
        """Too small, cut by a tile's edge, not on the slide, not asked for, or none that could be outlined."""
        return len(self.of("left out"))

    @property
    def refused(self) -> list[Note]:
        """What should have been exported and could not be read."""
        return self.of("refused")

    @property
    def gone(self) -> list[Note]:
        """What the source had before and has no more; still in the dataset."""
        return self.of("gone")

    @property
    def taken_out(self) -> list[Note]:
        """The same, if that was asked for: no more in the dataset."""
        return self.of("taken out")

    @property
    def seen(self) -> int:
        """Records of the source, all of them."""
        return self.new + self.changed + self.kept + self.left_out + len(self.refused)

    def counts(self) -> dict[str, int]:
        """Give all numbers."""
        kinds = Counter(note.kind for note in self.notes)
        return {
            "new": self.new, "changed": self.changed, "kept": self.kept, "left_out": kinds["left out"],
            "refused": kinds["refused"], "gone": kinds["gone"], "taken_out": kinds["taken out"],
        }  # fmt: skip

    def write(self, folder: Path) -> None:
        """Name everything in a file of the dataset, in place of what the last export of the source named."""
        lines = [json.dumps({"kind": note.kind, "what": note.what, "why": note.why}) for note in self.notes]
        file = self.file(folder)
        file.parent.mkdir(exist_ok=True)
        write_whole(file, "".join(f"{line}\n" for line in lines).encode())

    def file(self, folder: Path) -> Path:
        """Where `write` puts the names."""
        readable = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in self.source)[:40]
        return folder / TOLD / f"{readable}-{digest(self.source)[:6]}.jsonl"
