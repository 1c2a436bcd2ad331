"""Mutated annotation files: no crash, no hang, and every record that can be counted is accounted for.

``pytest tests/training/test_fuzz.py --mutants 2000`` tries more of them.
"""

from __future__ import annotations

import faulthandler
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import shapely

from tests.training.drawn import (
    FIRST,
    HEIGHT,
    SECOND,
    WIDTH,
    annotation,
    asap,
    compressed,
    disc,
    feature,
    pixels_of,
    ring,
    runs_of,
    write_asap,
    write_coco,
    write_geojson,
    write_slide,
)
from training.dataset import open_dataset
from training.dataset.export import export
from training.dataset.folder import ITEMS
from training.dataset.sources.asap import AsapFolder
from training.dataset.sources.coco import CocoFile
from training.dataset.sources.geojson import QuPathFolder
from training.errors import BrokenSource

LONGEST_S = 10
ONE, TWO = disc(*FIRST), disc(*SECOND)
JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", "x" * 5000, "\ud800", "切", [], {}, [[]], [[[]]],
    [[1, 2], [3]], {"type": "Polygon"}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]}, {"size": [1]},
    [[0, 0]] * 3, "P" * 50, {"a": {"a": {"a": []}}},
)  # fmt: skip


PIECES = (b"[" * 2000, b"<a>" * 2000, b"-1e999", b"\xef\xbb\xbf", b"\0", b'"', b"&x;")
WORDS = ("", "nan", "1e999", "-7", "x", "None", "Dot", "9" * 400)


def geojson(folder: Path) -> Path:
    holed = shapely.Polygon(TWO.exterior, [shapely.box(155, 95, 165, 105).exterior])
    several = shapely.MultiPolygon([shapely.box(10, 90, 30, 110), shapely.box(40, 90, 60, 110)])
    write_geojson(folder / "a.geojson", [feature(ONE, "a"), feature(holed, 5), feature(several), feature(ONE, "d")])
    return folder / "a.geojson"


def coco(folder: Path) -> Path:
    size, runs = [HEIGHT, WIDTH], runs_of(pixels_of(TWO))
    forms = ({"size": size, "counts": runs}, {"size": size, "counts": compressed(runs)})
    outlined = [annotation(ONE, 1, bbox=[36, 26, 49, 49])]
    outlined += [annotation(None, number, segmentation=form) for number, form in enumerate(forms, start=2)]
    write_coco(folder / "a.json", [*outlined, annotation(TWO, 4, iscrowd=1)])
    return folder / "a.json"


def xml(folder: Path) -> Path:
    inside = [asap(ring(ONE), "a"), asap(ring(TWO), "b"), asap([(155, 95), (165, 95), (160, 105)], "c", "_2")]
    write_asap(folder / "a.xml", [*inside, asap([(5, 5)], "d", kind="Dot")])
    return folder / "a.xml"


def values_of(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Go through every place of a tree: what holds it, and its key there."""
    for key in range(len(tree)) if isinstance(tree, list) else list(tree) if isinstance(tree, dict) else ():
        yield tree, key
        yield from values_of(tree[key])


def bent(rng: random.Random, raw: bytes) -> bytes:
    """Change a JSON text by its meaning: a value is replaced, taken away, doubled, or exchanged with another."""
    tree = json.loads(raw)
    for _ in range(rng.randint(1, 3)):
        places = list(values_of(tree))
        holder, key = rng.choice(places[:40] if rng.random() < 0.5 else places)
        way = rng.randrange(4)
        if way == 0:
            holder[key] = rng.choice(JUNK)
        elif way == 1:
            del holder[key]
        elif way == 2 and isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            other, its_key = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[its_key]))
        if not tree:
            break
    return json.dumps(tree).encode()


def broken(rng: random.Random, raw: bytes) -> bytes:
    """Change a file by its bytes: flipped, cut off, cut out, doubled, or put in."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(found) or 1)
        stop = min(len(found), start + rng.choice((1, 1, 2, 8, 100)))
        way = rng.randrange(5)
        if way == 0 and found:
            found[start] ^= 1 << rng.randrange(8)
        elif way == 1:
            del found[start:stop]
        elif way == 2:
            del found[stop:]
        elif way == 3:
            found[start:start] = found[start:stop] * rng.choice((1, 3, 50))
        else:
            found[start:start] = rng.choice(PIECES)
    return bytes(found)


def bent_xml(rng: random.Random, raw: bytes) -> bytes:
    """Change an XML text by its meaning."""
    root = ElementTree.fromstring(raw)
    for _ in range(rng.randint(1, 3)):
        elements = list(root.iter())
        each, other = rng.choice(elements), rng.choice(elements)
        way = rng.randrange(4)
        if way == 0 and each.attrib:
            each.set(rng.choice(list(each.attrib)), rng.choice(WORDS))
        elif way == 1 and each.attrib:
            del each.attrib[rng.choice(list(each.attrib))]
        elif way == 2 and len(other):
            other.remove(rng.choice(list(other)))
        else:
            each.tag = rng.choice(("Annotation", "Coordinate", "Coordinates", "x"))
    return ElementTree.tostring(root)


def records_of(file: Path) -> int | None:
    """Count the records that a file holds, by other means than the sources; None where it is too damaged to say."""
    try:
        if file.suffix == ".xml":
            root = ElementTree.fromstring(file.read_bytes())
            return len(list(root.iter("Annotation"))) if root.tag == "ASAP_Annotations" else None
        content = json.loads(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError, ElementTree.ParseError):
        return None
    name = "features" if file.suffix == ".geojson" else "annotations"
    found = content.get(name) if isinstance(content, dict) else content if file.suffix == ".geojson" else None
    return len(found) if isinstance(found, list) else None


FORMS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any], tuple[Callable[..., bytes], ...]]] = {
    "GeoJSON": (geojson, lambda file: QuPathFolder(file.parent), (bent, bent, broken)),
    "COCO": (coco, CocoFile, (bent, bent, broken)),
    "ASAP": (xml, lambda file: AsapFolder(file.parent), (bent_xml, broken)),
}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Stop what takes longer on a processor of its own; and the process, where no signal gets through to Python."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    faulthandler.dump_traceback_later(30 * seconds, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        faulthandler.cancel_dump_traceback_later()


def tried(open_source: Callable[[Path], Any], file: Path, data: Path) -> None:
    """Export a file and account for every record of it."""
    records = records_of(file)
    try:
        done = export(open_source(file), data)
    except BrokenSource:
        assert records is None or file.suffix == ".json"  # a COCO file without a list of annotations is none
        return
    lost_image = any(note.what in {file.name, "a.png"} for note in done.refused)
    if records is not None and not lost_image:
        assert done.seen >= records
        assert done.seen <= records + 1
    assert done.seen > 0 or records == 0
    if (data / ITEMS).read_bytes():
        dataset = open_dataset(data)
        for item in dataset.items:
            assert dataset.mask(item).any()


@pytest.mark.parametrize("form", FORMS)
def test_no_mutation_crashes_hangs_or_loses_a_record(form: str, tmp_path: Path, mutants: int) -> None:
    write, open_source, ways = FORMS[form]
    write_slide(tmp_path / "in" / "a.png")
    file = write(tmp_path / "in")
    raw = file.read_bytes()
    for number in range(mutants // len(FORMS)):
        rng = random.Random(f"{form} {number}")
        file.write_bytes(rng.choice(ways)(rng, raw))
        try:
            with at_most(LONGEST_S):
                tried(open_source, file, tmp_path / "data")
        except Exception as error:
            raise AssertionError(f"{form}, mutation {number}: {file.read_bytes()[:3000]!r}") from error
