"""Splits: which slides train, which validate and which test.

A split is a map from slides to sides, so that two annotations of a slide cannot part (thesis, section 3.1.3). It is
kept in a file and only ever grows: an export that finds new slides leaves the old ones where they are.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import BrokenDataset, Leakage

if TYPE_CHECKING:
    from training.dataset.folder import Item

SPLITS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)
"""Source: thesis, section 5.2."""
FILE = "splits.json"


def assign(items: Iterable[Item], known: Mapping[str, str], seed: int) -> dict[str, str]:
    """Give every slide a side, within each dataset and object type by its number of objects.

    Parameters
    ----------
    items : iterable of Item
        All of the dataset.
    known : mapping
        Slides that have a side already; they keep it.
    seed : int
        Orders the slides.

    Returns
    -------
    dict
        Slide to side. A group of three slides or more reaches every side.
    """
    types: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for item in items:
        types[item.slide][(item.dataset, item.object_type)] += 1
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for slide, counts in types.items():
        groups[min(counts, key=lambda kind: (-counts[kind], kind))].append(slide)
    splits = dict(known)
    for group in sorted(groups):
        _assign_group(groups[group], {slide: types[slide].total() for slide in groups[group]}, splits, seed)
    return splits


def _assign_group(slides: list[str], sizes: Mapping[str, int], splits: dict[str, str], seed: int) -> None:
    """Put each slide where most is lacking, empty sides first."""
    filled = Counter({side: 0 for side in SPLITS})
    for slide in slides:
        if slide in splits:
            filled[splits[slide]] += sizes[slide]
    new = sorted((slide for slide in slides if slide not in splits), key=lambda slide: _shuffle(seed, slide))
    for slide in new:
        total = filled.total() + sizes[slide]
        lack = {side: share * total - filled[side] for side, share in zip(SPLITS, SHARES, strict=True)}
        empty = [side for side in SPLITS if filled[side] == 0]
        side = empty[0] if empty else max(SPLITS, key=lambda side: lack[side])
        splits[slide] = side
        filled[side] += sizes[slide]


def _shuffle(seed: int, slide: str) -> str:
    return hashlib.sha256(f"{seed}:{slide}".encode()).hexdigest()


def read_splits(folder: Path) -> dict[str, str]:
    """Read the split of a dataset folder; empty where there is none yet."""
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        splits = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BrokenDataset(f"{file} is damaged: {error}.") from error
    if not isinstance(splits, dict) or not set(splits.values()) <= set(SPLITS):
        raise BrokenDataset(f"{file} should map slides to {', '.join(SPLITS)}.")
    return splits


def write_splits(folder: Path, splits: Mapping[str, str]) -> None:
    """Write the split of a dataset folder."""
    part = folder / f"{FILE}.part"
    part.write_text(json.dumps(dict(sorted(splits.items())), indent=1) + "\n", encoding="utf-8")
    part.replace(folder / FILE)


def check_splits(items: Sequence[Item], splits: Mapping[str, str]) -> None:
    """Make sure that every slide has a side, and that nothing of one side is seen on another.

    Raises
    ------
    BrokenDataset
        A slide has no side.
    Leakage
        The same pixels and mask lie on two sides, under other names.
    """
    homeless = sorted({item.slide for item in items} - splits.keys())
    if homeless:
        raise BrokenDataset(f"{len(homeless)} slides have no side in {FILE}, as {homeless[0]}: export again.")
    sides: dict[str, tuple[str, str]] = {}
    for item in items:
        side, first = sides.setdefault(item.sha256, (splits[item.slide], item.id))
        if side != splits[item.slide]:
            raise Leakage(
                f"{first} ({side}) and {item.id} ({splits[item.slide]}) are the same window: their slides are copies."
                f" Put them on one side in {FILE}."
            )
