"""Splits: which slides train, which validate and which test.

A split is a map from slides to sides, so that two annotations of a slide cannot part (thesis, section 3.1.3). It is
kept in a file and only ever grows: an export that finds new slides leaves the old ones where they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from training.dataset.files import write_whole
from training.dataset.item import Item
from training.dataset.shares import SPLITS, Unit, shared_out
from training.errors import BrokenDataset, Leakage

FILE = "splits.json"


def assign(items: Iterable[Item], known: Mapping[str, str], seed: int) -> dict[str, str]:
    """Give every slide a side: 70/15/15 of each dataset's objects, spread over its object types as slides allow.

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
        Slide to side. Copies of a slide, under whatever name, are on one side, unless they had two before.
    """
    splits = dict(known)
    datasets: dict[str, list[Unit]] = {}
    for unit in _units(list(items)):
        side = next((known[slide] for slide in sorted(unit.slides) if slide in known), None)
        datasets.setdefault(unit.dataset, []).append(unit._replace(side=side))
    for name in sorted(datasets):
        for unit, side in shared_out(datasets[name], seed):
            for slide in unit.slides:
                splits.setdefault(slide, side)
    return splits


def _units(items: Sequence[Item]) -> list[Unit]:
    """Gather the slides that must stay together, with their objects."""
    together: dict[str, str] = {}

    def first(name: str) -> str:
        while together.setdefault(name, name) != name:
            together[name] = name = together[together[name]]
        return name

    for item in items:
        for sign in (f"image {item.image}" if item.image else "", f"window {item.sha256}"):
            if sign:
                together[first(sign)] = first(f"slide {item.slide}")
    units: dict[str, Unit] = {}
    for item in items:
        unit = units.setdefault(first(f"slide {item.slide}"), Unit(item.dataset, set(), {}, None))
        unit.slides.add(item.slide)
        unit.counts[item.object_type] = unit.counts.get(item.object_type, 0) + 1
    return list(units.values())


def read_splits(folder: Path) -> dict[str, str]:
    """Read the split of a dataset folder; empty where there is none yet."""
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        splits = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BrokenDataset(f"{file} is damaged: {error}. {_REMEDY}") from error
    if not isinstance(splits, dict) or not all(side in SPLITS for side in splits.values()):
        raise BrokenDataset(f"{file} should map slides to {', '.join(SPLITS)}. {_REMEDY}")
    return splits


_REMEDY = "Put the copy of a backup there; or delete it and export again, which draws the sides anew."


def write_splits(folder: Path, splits: Mapping[str, str]) -> None:
    """Write the split of a dataset folder."""
    write_whole(folder / FILE, (json.dumps(dict(sorted(splits.items())), indent=1) + "\n").encode())


def check_splits(items: Sequence[Item], splits: Mapping[str, str]) -> None:
    """Make sure that every slide has a side, and that nothing of one side is seen on another.

    Raises
    ------
    BrokenDataset
        A slide has no side.
    Leakage
        The same slide, or the same pixels and mask, lie on two sides, under other names.
    """
    homeless = sorted({item.slide for item in items} - splits.keys())
    if homeless:
        raise BrokenDataset(f"{len(homeless)} slides have no side in {FILE}, as {homeless[0]}: export again.")
    sides: dict[str, tuple[str, Item]] = {}
    for item in items:
        for sign in (f"window {item.sha256}", f"image {item.image}" if item.image else f"slide {item.slide}"):
            side, other = sides.setdefault(sign, (splits[item.slide], item))
            if side != splits[item.slide]:
                raise Leakage(
                    f"{other.id} ({side}) and {item.id} ({splits[item.slide]}) are"
                    f" {'the same window' if sign.startswith('window') else 'of the same slide'}: their slides are"
                    f" copies. Put {other.slide!r} and {item.slide!r} on one side in {FILE}."
                )
