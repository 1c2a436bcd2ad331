"""The page of an entry: one HTML file that needs nothing else, and the same numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2

from training.errors import telling_of_full_disks
from training.evaluation.metrics import LABELS
from training.tables.architecture import Architecture
from training.tables.entry import Entry
from training.tables.registry import ALL, DATASETS
from training.tables.summing import Cells, Difference

PAGE, RESULTS = "index.html", "results.json"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with its words."""

    title: str
    png: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The pictures of one object."""

    item: str
    panels: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """All that was found for an entry."""

    cells: tuple[Cells, ...]
    differences: tuple[Difference, ...]
    pictures: tuple[Row, ...]
    architectures: tuple[Architecture, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    groups: tuple[str, ...]
    """Datasets, then `ALL`."""


def title_of(entry: Entry) -> str:
    """Name an entry as people do."""
    if not entry.number[0].isdigit() and not entry.number.startswith("figure"):
        return entry.title
    name = entry.number.capitalize() if " " in entry.number else f"Table {entry.number}"
    return f"{name}: {entry.title}"


def write_page(folder: Path, entry: Entry, found: Results) -> Path:
    """Write an entry's page and its numbers into a folder; gives the page."""
    folder.mkdir(parents=True, exist_ok=True)
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "page.html.jinja").read_text(encoding="utf-8")
    )
    theirs = [name for name in (*DATASETS, ALL) if any(name in each.thesis for each in found.cells)]
    html = template.render(
        title=title_of(entry), note=entry.note, warnings=found.warnings, facts=found.facts, groups=found.groups,
        theirs=theirs, rows=_rows(found.cells, found.groups, theirs), pictures=found.pictures,
        architectures=found.architectures, compared_with=entry.compared_with, differences=found.differences,
    )  # fmt: skip
    numbers = {
        "entry": entry.number, "title": entry.title, "facts": dict(found.facts), "warnings": found.warnings,
        "cells": [asdict(each) for each in found.cells],
        "differences": [asdict(each) for each in found.differences],
        "architectures": [asdict(each) for each in found.architectures],
    }  # fmt: skip
    with telling_of_full_disks(str(folder)):
        (folder / RESULTS).write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(html, encoding="utf-8")
    return folder / PAGE


def _rows(found: Sequence[Cells], groups: Sequence[str], theirs: Sequence[str]) -> list[dict[str, Any]]:
    firsts = [True, *(one.line != other.line for one, other in pairwise(found))][: len(found)]
    return [
        {
            "line": each.line, "first": first, "metric": _label(each.metric), "samples": each.samples,
            "ours": [_cell(each.ours.get(group)) for group in groups],
            "theirs": [_cell(each.thesis.get(group)) for group in theirs],
        }
        for each, first in zip(found, firsts, strict=True)
    ]  # fmt: skip


def _label(metric: str) -> str:
    prompt = metric.removeprefix("prompt_")
    return LABELS[metric] if prompt == metric else f"{LABELS[prompt]} of the prompt"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
