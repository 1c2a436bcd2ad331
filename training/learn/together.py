"""Two datasets as one to learn from: the lab's objects, and those of a reference, so that nothing is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.geometry.masks import BoolMask
from training.dataset import Dataset, Item
from training.dataset.folder import Rgb


@dataclass(frozen=True)
class Together(Dataset):
    """A dataset whose items lie in several folders."""

    homes: dict[str, Dataset] = field(default_factory=dict)
    """Item id to the dataset that has its files."""

    def image(self, item: Item) -> Rgb:
        """Read a window."""
        return self.homes[item.id].image(item)

    def mask(self, item: Item) -> BoolMask:
        """Read a mask."""
        return self.homes[item.id].mask(item)

    def check_files(self, items: list[Item]) -> None:
        """Look at every file of some items."""
        for home in {id(each): each for each in self.homes.values()}.values():
            home.check_files([item for item in items if self.homes[item.id] is home])


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a round learns from, and what it is judged by."""

    data: Together
    new: list[Item]
    """The lab's objects that it is judged by: those that were not learned from, or all where every one was."""
    new_is_seen: bool
    """Whether the model has learned from them."""
    reference: list[Item]
    """Those of the reference that it is judged by; none of them was learned from."""


def lesson(lab: Dataset, reference: Dataset, most_of_reference: int) -> Lesson:
    """Put what is learned from together.

    Of the lab, the train side of its split is learned from, or everything where that side is empty. Of the reference,
    part of the train side is, so that nothing is forgotten; its validation side chooses the best epoch.

    Parameters
    ----------
    most_of_reference : int
        Objects of its train side at most.
    """
    learned = lab.of("train") or list(lab.items)
    aside = [item for item in lab.items if item not in learned]
    kept = sorted(reference.of("train"), key=lambda item: item.sha256)[:most_of_reference]
    parts = [(_of(item, "lab"), lab, "train") for item in learned]
    parts += [(_of(item, "reference"), reference, "train") for item in kept]
    parts += [(_of(item, "reference"), reference, "validation") for item in reference.of("validation")]
    items = tuple(item for item, _, _ in parts)
    splits = {item.slide: side for item, _, side in parts}
    data = Together(lab.folder, items, splits, {item.id: home for item, home, _ in parts})
    return Lesson(data, aside or learned, not aside, reference.of("test") or reference.of("validation"))


def _of(item: Item, whose: str) -> Item:
    """Keep slides of two datasets apart."""
    return replace(item, dataset=whose, slide=f"{whose}: {item.slide}")
