"""The registry: every table and figure of chapters 4 to 6 and their appendices, table 7.1, and two of ours."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from app.errors import InvalidSettings
from training.tables import chapter4, chapter5, chapter6
from training.tables.entry import Entry

CHAPTER_7 = (
    Entry("7.1", "How long a refine takes", elsewhere="python -m bench.table71",
          note="It measures the whole service, so `bench` runs it."),
)  # fmt: skip
ENTRIES = (
    *chapter4.ENTRIES, *chapter5.ENTRIES, *chapter6.ENTRIES, *CHAPTER_7, *chapter5.OF_OURS, *chapter6.OF_OURS,
)  # fmt: skip

DATASETS = ("LBTD-AGDC10", "LBTD-NEO04", "Camelyon16")
"""Of the thesis, in the order of its tables."""
ALL = "All"
Numbers = dict[str, dict[str, dict[str, float]]]
"""Line, metric, dataset or `ALL`."""


def entry_of(number: str) -> Entry:
    """Find an entry by its number; ``table`` before it may be left out.

    Raises
    ------
    InvalidSettings
        There is no entry with that number.
    """
    wanted = number.lower().removeprefix("table").strip()
    for entry in ENTRIES:
        if entry.number.lower() == wanted:
            return entry
    raise InvalidSettings(f"There is no table {number!r}: `python -m training tables` lists them all.")


def command_of(entry: Entry) -> str:
    """Say how an entry is run."""
    if entry.elsewhere:
        return entry.elsewhere
    number = f'"{entry.number}"' if " " in entry.number else entry.number
    return f"python -m training table {number} --data DATA" + (" --unseen OTHER" if entry.unseen else "")


@cache
def numbers_of_the_thesis() -> dict[str, Numbers]:
    """Read the thesis' own numbers, by table."""
    found: dict[str, Numbers] = {}
    with (Path(__file__).parent / "thesis.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            values = {name: float(row[name]) for name in (*DATASETS, ALL) if row[name]}
            found.setdefault(row["table"], {}).setdefault(row["line"], {})[row["metric"]] = values
    return found
