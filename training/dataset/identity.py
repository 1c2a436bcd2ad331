"""Identity: which item of a dataset is which object of a source, however things are called (decision 0039)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from training.dataset.item import Item
from training.dataset.sources import SourceObject, SourceSlide

UNNAMED = "outline "
"""What the names of objects begin with whose source gives them none of their own."""
_READABLE = 60
_STEPS_PER_PX0 = 1024


@dataclass(frozen=True, slots=True)
class Known:
    """An object with the name that tells it apart on its slide."""

    name: str
    """Its own, or one made of its outline."""
    object: SourceObject
    twin: bool = False
    """Whether an earlier one of the slide has the same outline and class, and neither has a name."""


def known_apart(objects: Sequence[SourceObject]) -> list[Known]:
    """Name the objects of a slide: by what their source calls them where that is one object's only, else by outline."""
    names = Counter(each.annotation for each in objects)
    seen: dict[str, str] = {}
    found = []
    for each in objects:
        if each.annotation and names[each.annotation] == 1 and not each.annotation.startswith(UNNAMED):
            found.append(Known(each.annotation, each))
            continue
        name = UNNAMED + digest(_rounded(each.outline))[:12]
        if name in seen and seen[name] != each.object_type:  # one outline, two classes: both count
            name = UNNAMED + digest(_rounded(each.outline), each.object_type)[:12]
        found.append(Known(name, each, twin=name in seen))
        seen.setdefault(name, each.object_type)
    return found


def identified(item: Item, source: str, slide: SourceSlide, outline: BaseGeometry) -> Item:
    """Give an item its key, the digest of its content, and its id.

    Parameters
    ----------
    item : Item
        Without them.
    source : str
        As `sources.json` calls it.
    outline : Polygon or MultiPolygon
        As it is painted.
    """
    key = digest(source, slide.id, slide.image, item.annotation)[:16]
    content = digest(_rounded(outline), item.object_type, item.window)[:16]
    words = (re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in (item.dataset, slide.id, item.annotation))
    readable = "-".join(words)[:_READABLE].strip("._-") or "object"
    name = f"{readable}-{key[:10]}-{content[:6]}"
    return replace(item, id=name, source=source, key=key, content=content, image=slide.image)


def digest(*parts: object) -> str:
    """Digest some values, of which none can run into another."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def _rounded(outline: BaseGeometry) -> str:
    """Write an outline so that the last bits of its coordinates, and where its rings begin, make no difference."""
    rounded = shapely.transform(outline, lambda places: np.round(places * _STEPS_PER_PX0) / _STEPS_PER_PX0 + 0.0)
    return str(shapely.to_wkb(shapely.normalize(rounded), hex=True))


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Area of the intersection of two boxes over the area of their union."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (sum(areas) - width * height)
