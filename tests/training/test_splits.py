"""Splits: by slide, stable, and without leaks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.item import Item
from training.dataset.shares import SHARES, SPLITS
from training.dataset.splits import assign, check_splits
from training.errors import BrokenDataset, Leakage


def item(slide: str, number: int, kind: str = "gland", sha256: str | None = None) -> Item:
    box = (256.0, 256.0, 768.0, 768.0)
    name = f"{slide}-{number}"
    return Item(name, "data", slide, str(number), kind, (0, 0, 80), box, 40.0, 900.0, None, False, sha256 or name)


@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.integers(0, 5))
def test_every_slide_lies_on_one_side_and_the_shares_are_near(sizes: list[int], seed: int) -> None:
    items = [item(f"slide {slide}", number) for slide, size in enumerate(sizes) for number in range(size)]
    splits = assign(items, {}, seed)
    check_splits(items, splits)
    assert set(splits) == {each.slide for each in items}
    assert set(splits.values()) == set(SPLITS)
    counts = Counter(splits[each.slide] for each in items)
    assert counts["train"] / len(items) > 0.7 - 2 * max(sizes) / len(items)


def test_many_even_slides_are_split_70_15_15() -> None:
    splits = assign([item(f"slide {number}", 0) for number in range(200)], {}, seed=1)
    assert Counter(splits.values()) == {"train": 140, "validation": 30, "test": 30}


def test_new_slides_move_no_old_ones() -> None:
    old = [item(f"slide {number}", 0) for number in range(20)]
    first = assign(old, {}, seed=1)
    grown = assign([*old, *(item(f"new {number}", 0) for number in range(20))], first, seed=1)
    assert {slide: grown[slide] for slide in first} == first
    assert set(grown.values()) == set(SPLITS)


def test_rare_object_types_reach_every_side() -> None:
    common = [item(f"slide {number}", part) for number in range(40) for part in range(20)]
    rare = [item(f"rare {number}", 0, kind="mitosis") for number in range(3)]
    splits = assign([*common, *rare], {}, seed=0)
    assert {splits[each.slide] for each in rare} == set(SPLITS)


def test_the_same_pixels_on_two_sides_are_refused() -> None:
    items = [item("a", 0, sha256="same"), item("copy of a", 0, sha256="same")]
    with pytest.raises(Leakage, match=r"a-0 \(train\) and copy of a-0 \(test\) are the same window"):
        check_splits(items, {"a": "train", "copy of a": "test"})
    check_splits(items, {"a": "train", "copy of a": "train"})


def test_a_slide_without_a_side_is_refused() -> None:
    with pytest.raises(BrokenDataset, match="1 slides have no side"):
        check_splits([item("a", 0), item("b", 0)], {"a": "train"})


def test_sides_of_an_item_come_from_its_slide_alone() -> None:
    assert "split" not in {field.name for field in dataclasses.fields(Item)}


def one_type_a_slide(slides: int, types: int) -> list[Item]:
    return [
        item(f"slide {slide}", number, kind=f"type {slide % types}") for slide in range(slides) for number in range(10)
    ]


def mixed(slides: int, types: int) -> list[Item]:
    rng = np.random.default_rng(3)
    return [
        item(f"slide {slide}", number, kind=f"type {rng.integers(types)}")
        for slide in range(slides)
        for number in range(int(rng.integers(1, 40)))
    ]


@pytest.mark.parametrize(
    "items",
    [one_type_a_slide(100, 1), one_type_a_slide(20, 6), one_type_a_slide(30, 10), mixed(25, 8)],
    ids=["100 slides, 1 type", "20 slides, 6 types", "30 slides, 10 types", "25 uneven slides, 8 types"],
)
def test_shares_are_kept_however_many_types_there_are(items: list[Item]) -> None:
    off = []
    for seed in range(20):
        splits = assign(items, {}, seed)
        counts = Counter(splits[each.slide] for each in items)
        off.append([abs(counts[side] / len(items) - share) for side, share in zip(SPLITS, SHARES, strict=True)])
    assert np.mean(off, axis=0).max() <= 0.05
    assert np.max(off) <= 0.10


def test_types_are_spread_as_far_as_slides_allow() -> None:
    items = mixed(40, 5)
    splits = assign(items, {}, seed=2)
    for kind in {each.object_type for each in items}:
        counts = Counter(splits[each.slide] for each in items if each.object_type == kind)
        assert counts["train"] / counts.total() == pytest.approx(0.7, abs=0.1)
        assert set(counts) == set(SPLITS)


def test_each_dataset_is_split_by_itself() -> None:
    small = [dataclasses.replace(item(f"few {number}", 0), dataset="small") for number in range(20)]
    large = [item(f"slide {slide}", part) for slide in range(40) for part in range(50)]
    splits = assign([*small, *large], {}, seed=0)
    assert Counter(splits[each.slide] for each in small) == {"train": 14, "validation": 3, "test": 3}


def test_copies_of_a_slide_stay_together() -> None:
    copies = [
        dataclasses.replace(item(f"{name} {number}", 0), image=f"picture {number}", dataset=name)
        for name in ("first", "second")
        for number in range(12)
    ]
    splits = assign(copies, {}, seed=0)
    assert all(splits[f"first {number}"] == splits[f"second {number}"] for number in range(12))
    check_splits(copies, splits)
    parted = {**splits, "second 0": next(side for side in SPLITS if side != splits["first 0"])}
    with pytest.raises(Leakage, match="Put 'first 0' and 'second 0' on one side"):
        check_splits(copies, parted)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=15), st.integers(0, 9))
def test_a_slide_that_has_a_side_keeps_it(slides: list[tuple[int, int]], seed: int) -> None:
    items = [
        item(f"slide {slide}", number, kind=f"type {kind}")
        for slide, (size, kind) in enumerate(slides)
        for number in range(size)
    ]
    half = {f"slide {slide}": SPLITS[(slide * seed) % 3] for slide in range(0, len(slides), 2)}
    splits = assign(items, half, seed)
    assert half.items() <= splits.items()
