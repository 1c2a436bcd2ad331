"""One object of a dataset: a line of ``items.jsonl``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One object."""

    id: str
    """Unique in its dataset; the name of its files. Another outline, class or window has another id."""
    dataset: str
    """Where it came from: a project, or a folder."""
    slide: str
    """What must stay on one side of a split."""
    annotation: str
    object_type: str
    """The term, or what the source calls it."""
    window: tuple[int, int, int]
    """x0, y0, side: slide frame, level-0 pixels."""
    box: tuple[float, float, float, float]
    """Tight box of the mask: x_min, y_min, x_max, y_max, continuous pixels of the 1024-px window."""
    longer_px0: float
    """The longer side of the object, level-0 pixels."""
    area_px0: float
    """Level-0 pixels."""
    mpp: float | None
    """Microns per level-0 pixel, where the source says."""
    touches_edge: bool
    """Whether the image ends where the object does."""
    sha256: str
    """Of the window's file and the mask's, one after the other."""
    source: str = ""
    """The export that it came from, as ``sources.json`` calls it; empty in datasets of before decision 0039."""
    key: str = ""
    """Digest of source, slide and object: stays the same when the outline is corrected."""
    content: str = ""
    """Digest of outline, class and window."""
    image: str = ""
    """Digest of the slide's file, or its number at an image server: tells copies of a slide; empty where unknown."""

    @property
    def identity(self) -> str:
        """What a later export of the same object has in common with this one."""
        return self.key or f"id {self.id}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Tight box of the object, slide frame, level-0 pixels."""
        x0, y0, side = self.window
        scale = side / 1024
        left, top, right, bottom = self.box
        return x0 + left * scale, y0 + top * scale, x0 + right * scale, y0 + bottom * scale


def line_of(item: Item) -> str:
    """Give an item's line, with its end."""
    return json.dumps(asdict(item)) + "\n"


def item_of(line: str) -> Item:
    """Read an item's line.

    Raises
    ------
    ValueError, TypeError, KeyError
        It is damaged.
    """
    values = json.loads(line)
    x0, y0, side = (int(str(value)) for value in _list(values, "window", 3))
    left, top, right, bottom = (float(str(value)) for value in _list(values, "box", 4))
    item = Item(**{**values, "window": (x0, y0, side), "box": (left, top, right, bottom)})
    texts = (item.id, item.dataset, item.slide, item.annotation, item.object_type, item.sha256, item.source, item.key)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is not text")
    return item


def _list(values: dict[str, object], name: str, count: int) -> list[object]:
    found = values[name]
    if not isinstance(found, list) or len(found) != count:
        raise ValueError(f"{name} should be {count} numbers")
    return found
