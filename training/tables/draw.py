"""Drawing the panels of an entry: those that need no model, and those of each model while it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training import prompts
from training.dataset import Dataset, Item
from training.evaluation.methods import GRID
from training.evaluation.metrics import overlap
from training.finetune.batches import item_rng
from training.tables import pictures
from training.tables.entry import Arm, Panel
from training.tables.measure import Asker, Window
from training.tables.page import Picture, Row


class Drawing:
    """The rows of pictures of an entry, one for each object.

    Parameters
    ----------
    items : sequence of Item
        Of `dataset`: the objects that are shown.
    """

    def __init__(self, panels: Sequence[Panel], dataset: Dataset, items: Sequence[Item], seed: int) -> None:
        self._panels, self._dataset, self._items, self._seed = panels, dataset, items, seed
        self._drawn: dict[tuple[str, int], Picture] = {}

    def draw(self, arm: Arm, asker: Asker, window_of: Callable[[Item], Window]) -> None:
        """Draw what one model makes of the objects."""
        mine = [(place, panel) for place, panel in enumerate(self._panels) if panel.arm == arm]
        for item in self._items if mine else ():
            window = window_of(item)
            for place, panel in mine:
                self._drawn[item.id, place] = _answered(panel, asker, window)

    def rows(self) -> tuple[Row, ...]:
        """Give all rows, each with the panels that need no model."""
        return tuple(
            Row(item.id, tuple(
                self._drawn.get((item.id, place)) or self._shown(panel, item)
                for place, panel in enumerate(self._panels)
            ))
            for item in self._items if self._panels
        )  # fmt: skip

    def _shown(self, panel: Panel, item: Item) -> Picture:
        image, truth = self._dataset.image(item), self._dataset.mask(item)
        if panel.show == "truth":
            return Picture(panel.title, pictures.png(pictures.of_mask(truth)))
        if panel.show == "grid":
            return Picture(panel.title, pictures.png(pictures.of_grid(image, GRID)))
        if panel.show == "prompt":
            given = prompts.draw(item_rng(self._seed, item, 1), panel.asked.prompts[0], truth, item.box)
            told = panel.asked.prompts[0].name
            return Picture(panel.title, pictures.png(pictures.of_prompt(image, given)), told)
        return Picture(panel.title, pictures.png(image))


def _answered(panel: Panel, asker: Asker, window: Window) -> Picture:
    if panel.show == "masks":
        found = asker.model.everything(window.embeddings)
        drawn = pictures.of_masks(window.image, [each.mask for each in found])
        return Picture(panel.title, pictures.png(drawn), f"{len(found)} masks")
    _, _, mask = next(asker.answers(window, panel.asked))
    told = f"IoU {overlap(mask, window.truth)['iou']:.3f}"
    return Picture(panel.title, pictures.png(pictures.of_mask(mask)), told)
