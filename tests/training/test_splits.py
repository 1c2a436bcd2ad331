"""Splits: by slide, stable, and without leaks."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.folder import Item
from training.dataset.splits import SPLITS, assign, check_splits
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
