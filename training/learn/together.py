"""Two datasets as one to learn from: the lab's objects, and those of a reference, so that nothing is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.geometry.masks import BoolMask
from training.dataset import Dataset, Item
from training.dataset.folder import Rgb

_ASIDE = 5
"""One in so many is kept aside where slides do not part them."""


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
    """The lab's objects that it is judged by: those that were kept aside, or all where every one was learned from."""
    new_is_seen: bool
    """Whether the model has learned from them."""
    same_slides: bool
    """Whether it has learned from others of their slides."""
    reference: list[Item]
    """Those of the reference that it is judged by; none of them was learned from."""


def lesson(lab: Dataset, reference: Dataset, most_of_reference: int) -> Lesson:
    """Put what is learned from together.

    Of the lab, the train side of its split is learned from, the validation side helps to choose the best epoch, and by
    the test side the new weights are judged. Where one of them is empty, as in a lab of one slide, every fifth object
    takes its place, whatever its slide; of less than five objects, all are learned from. Of the reference, part of the
    train side is learned from, so that nothing is forgotten, and its validation side helps to choose, too.

    Parameters
    ----------
    most_of_reference : int
        Objects of its train side at most.
    """
    learned, choosing, aside, same_slides = _parted(lab)
    kept = sorted(reference.of("train"), key=lambda item: item.sha256)[:most_of_reference]
    parts = [(_of(item, "lab"), lab, "train") for item in learned]
    parts += [(_of(item, "lab"), lab, "validation") for item in choosing]
    parts += [(_of(item, "reference"), reference, "train") for item in kept]
    parts += [(_of(item, "reference"), reference, "validation") for item in reference.of("validation")]
    parts = [(replace(item, slide=f"{item.slide} ({side})"), home, side) for item, home, side in parts]
    items = tuple(item for item, _, _ in parts)
    splits = {item.slide: side for item, _, side in parts}
    data = Together(lab.folder, items, splits, {item.id: home for item, home, _ in parts})
    return Lesson(data, aside or learned, not aside, same_slides, reference.of("test") or reference.of("validation"))


def _parted(lab: Dataset) -> tuple[list[Item], list[Item], list[Item], bool]:
    """Part a lab's objects: learned from, choosing the epoch, kept aside; and whether these share slides."""
    sides = [lab.of(side) for side in ("train", "validation", "test")]
    if all(sides):
        return sides[0], sides[1], sides[2], False
    ordered = sorted(lab.items, key=lambda item: item.sha256)
    aside, choosing = ordered[_ASIDE - 1 :: _ASIDE], ordered[_ASIDE - 2 :: _ASIDE] if len(ordered) >= _ASIDE else []
    kept = {item.id for item in (*aside, *choosing)}
    return [item for item in lab.items if item.id not in kept], choosing, aside, bool(aside)


def _of(item: Item, whose: str) -> Item:
    """Tell the items of two datasets apart."""
    return replace(item, dataset=whose, slide=f"{whose}: {item.slide}")
