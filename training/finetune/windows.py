"""From items to embeddings: from the disk while windows and encoder stay as they are, else through the encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.dataset import Dataset, Item
from training.finetune.embeddings import Store, precomputed
from training.finetune.recipe import Recipe
from training.finetune.run import Origin
from training.models import Embeddings, Promptable
from training.views import UPRIGHT, View, recoloured


class Windows:
    """Embeddings of a dataset's windows.

    Parameters
    ----------
    folder : Path
        Of the embeddings on the disk, shared by all runs on the same windows and encoder.
    """

    def __init__(
        self, model: Promptable, recipe: Recipe, dataset: Dataset, origin: Origin, folder: Path, device: torch.device
    ) -> None:
        self._model, self._dataset, self._device = model, dataset, device
        self._frozen = recipe.tune == "decoder"
        self._store: Store | None = None
        if self._frozen and not recipe.augment:
            model.network.eval()
            items = [*dataset.of("train"), *dataset.of("validation")]  # whatever of them this recipe wants
            self._store = precomputed(model, origin.checkpoint_sha256, dataset, items, folder, device)

    def of(self, items: list[Item], view: View = UPRIGHT, rng: np.random.Generator | None = None) -> Embeddings:
        """Give the embeddings of some items; seen from another side, and in other colours, where there is an `rng`.

        Parameters
        ----------
        view : View
            `UPRIGHT` leaves colours alone too.
        """
        if self._store is not None:
            return self._store.of(items, self._device)
        images = np.stack([self._dataset.image(item) for item in items])
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(self._device)
        if view is not UPRIGHT and rng is not None:
            pixels = recoloured(view.of_maps(pixels), rng)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            return self._model.encode(pixels)
