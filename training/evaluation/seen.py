"""Objects as the service reads them: the window follows the box that somebody draws, a tight one or a loose one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.geometry.masks import BoolMask
from training import prompts
from training.dataset import Dataset, Item
from training.dataset.folder import Rgb
from training.finetune.batches import item_rng
from training.finetune.loose import loosely_drawn


@dataclass(frozen=True)
class Seen:
    """An object in a window."""

    stored: Item
    """What decides the random numbers of its prompts."""
    box: tuple[float, float, float, float]
    """As drawn, model frame."""
    image: Rgb
    """(1024, 1024, 3)."""
    truth: BoolMask
    """(1024, 1024)."""

    def given(self, recipe: prompts.Recipe, seed: int, turn: int) -> prompts.Given:
        """Draw the prompts of a recipe, with the same random numbers for every one of them."""
        around_it = replace(recipe, box="exact") if recipe.box == "loosened" else recipe
        return prompts.draw(item_rng(seed, self.stored, turn), around_it, self.truth, self.box)


class Sights:
    """The windows of a dataset's objects, around their tight boxes and around loosened ones.

    Parameters
    ----------
    seed : int
        Of the loosened boxes; each object has one.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._loose = dataset, loosely_drawn(dataset, 1.0, seed)
        self._loosened = {item.id: item for item in self._loose.items}

    def tight(self, item: Item) -> Seen:
        """Show an object in its stored window.

        Raises
        ------
        BrokenDataset
            A file is missing or damaged.
        """
        return Seen(item, item.box, self._dataset.image(item), self._dataset.mask(item))

    def loose(self, item: Item) -> Seen:
        """Show it in the window around its loosened box; past what is stored, the last pixels repeat.

        Raises
        ------
        BrokenDataset
            A file is missing or damaged.
        """
        drawn = self._loosened[item.id]
        return Seen(item, drawn.box, self._loose.image(drawn), self._loose.mask(drawn))

    def of(self, item: Item, recipe: prompts.Recipe) -> Seen:
        """Show it as the box of a recipe has it."""
        return self.loose(item) if recipe.box == "loosened" else self.tight(item)
