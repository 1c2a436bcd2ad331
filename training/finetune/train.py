"""The fine-tuning: a model learns from prompts of all kinds; it can be stopped at any moment and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from app.geometry.masks import BoolMask
from training import prompts
from training.clicks import click_on_error, with_click
from training.dataset import Dataset, Item
from training.errors import BrokenDataset
from training.finetune.batches import Batch, Batches, item_rng, truth_of
from training.finetune.corrections import corrected_loss
from training.finetune.loose import loosely_drawn
from training.finetune.losses import iou_of_masks
from training.finetune.recipe import Recipe
from training.finetune.run import BEST, LAST, Origin, Run, trained
from training.finetune.windows import Windows
from training.loop import Loop, Pace
from training.loop.curves import Curves
from training.mask_prompts import of_values
from training.models import Promptable, PromptBatch, chosen, gathered
from training.start import Machine
from training.views import UPRIGHT, view_of

VALIDATION = (
    prompts.Recipe("box", box="jittered"),
    prompts.Recipe("box, 1 point (+)", box="jittered", positive=1),
)
"""Where corrections are learned, a click on the model's own error takes the point's place."""
_MOST_VALIDATED = 400


def fine_tune(
    model: Promptable,
    recipe: Recipe,
    dataset: Dataset,
    origin: Origin,
    folder: Path,
    machine: Machine,
    *,
    embeddings: Path | None = None,
) -> Run:
    """Fine-tune a model, or go on with it.

    Parameters
    ----------
    model : Promptable
        With its starting weights; changed in place.
    folder : Path
        Of the run: best.pt, last.pt, run.json, curve.png, tensorboard; and embeddings, which may be deleted afterwards.
    embeddings : Path, optional
        Where the embeddings lie, for several runs that share them. Default: in `folder`.

    Returns
    -------
    Run
        ``progress`` tells how well it went; epoch 0 of its curve is the starting weights.

    Raises
    ------
    BrokenDataset, BrokenRun, NoSpace
        Nothing that was done before is lost.
    """
    if recipe.rounds:
        dataset = loosely_drawn(dataset, recipe.loosened, recipe.seed, recipe.off_centre)
    items, held_out = _wanted(dataset.of("train"), recipe), _validated(dataset, recipe)
    if not items or not held_out:
        raise BrokenDataset("The dataset has nothing to train on, or nothing to validate with: it needs three slides.")
    run = Run(folder, recipe, origin)  # another run's folder is refused before anything long
    dataset.check_files([*items, *held_out])
    torch.manual_seed(recipe.seed)
    model.network.to(machine.device)
    if recipe.teaches_masks:
        model.mask_prompts = of_values(recipe.mask_values)
    windows = Windows(model, recipe, dataset, origin, embeddings or folder / "embeddings", machine.device)
    model.freeze(recipe.tune, recipe.lora_rank)
    model.network.to(machine.device)  # what was added by that
    task = FineTuning(model, recipe, dataset, (items, held_out), windows, run)
    pace = Pace(
        recipe.learning_rate,
        epochs=recipe.epochs,
        steps=recipe.epochs * len(task) // recipe.accumulate,
        minutes=recipe.minutes,
        patience=recipe.patience,
        accumulate=recipe.accumulate,
        fall=recipe.fall,
        best_by=recipe.best_by,
    )
    Loop(task, pace, run.state, machine, Curves(folder)).run()
    return run


def _wanted(items: list[Item], recipe: Recipe) -> list[Item]:
    return [item for item in items if not recipe.datasets or item.dataset in recipe.datasets]


def _validated(dataset: Dataset, recipe: Recipe) -> list[Item]:
    """Choose what is validated with: all of it, or as many as an epoch can bear, the same ones each time."""
    items = sorted(_wanted(dataset.of("validation"), recipe), key=lambda item: item.sha256)
    return items[:_MOST_VALIDATED]


class FineTuning:
    """The task of the loop: a model, what changes it, and what it is measured with.

    Parameters
    ----------
    split : (items, items)
        Learned from, and validated with.
    """

    def __init__(
        self,
        model: Promptable,
        recipe: Recipe,
        dataset: Dataset,
        split: tuple[list[Item], list[Item]],
        windows: Windows,
        run: Run,
    ) -> None:
        self.model, self._recipe, self._dataset, self._windows, self._run = model, recipe, dataset, windows, run
        self.optimizer = torch.optim.AdamW(
            trained(model.network).values(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self._side = model.side
        items, self._held_out = split
        self._batches = Batches(dataset, items, recipe, self._side)
        self._device = next(model.network.parameters()).device

    @property
    def network(self) -> nn.Module:
        """What learns, and what does not."""
        return self.model.network

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self._batches)

    def learnt(self) -> dict[str, Tensor]:
        """Give what learns."""
        return trained(self.model.network)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[np.random.Generator, list[Batch]]]:
        """Go through an epoch; every batch comes with random numbers of its own."""
        for number, batch in enumerate(self._batches.of_epoch(epoch, first), first):
            yield np.random.default_rng([self._recipe.seed, epoch, number, 1]), batch

    def loss(self, batch: tuple[np.random.Generator, list[Batch]]) -> Tensor:
        """Weigh a batch with every kind of its prompts."""
        rng, parts = batch
        losses = torch.stack([self._loss_of(part, rng) for part in parts])
        weights = torch.tensor([float(len(part.items)) for part in parts], device=self._device)
        return (losses * weights).sum() / weights.sum()

    def _loss_of(self, batch: Batch, rng: np.random.Generator | None) -> Tensor:
        view = view_of(rng, self._side) if self._recipe.augment and rng is not None else UPRIGHT
        truth = view.of_maps(batch.truth.to(self._device))
        embeddings = self.model.prepare(self._windows.of(batch.items, view, rng))
        losses = []
        for given in batch.prompts:
            prompts_ = view.of_prompts(given.to(self._device))
            losses.append(corrected_loss(self.model, self._recipe, embeddings, prompts_, truth, rng))
        return torch.stack(losses).mean()

    def stepped(self, steps: int) -> None:
        """Nothing is due after a step."""

    def keep(self, *, best: bool) -> None:
        """Write the checkpoints and the record."""
        if best:
            self._run.save_checkpoint(self.model, BEST)
        if self._run.progress.epoch:
            self._run.save_checkpoint(self.model, LAST)
        self._run.write_record()

    def validate(self) -> dict[str, float]:
        """Measure the chosen masks on the held-out items, and the loss where the recipe chooses by it."""
        found = self._validated_iou()
        if self._recipe.best_by == "loss":
            found["validation loss"] = self._validated_loss()
        return found

    @torch.no_grad()
    def _validated_loss(self) -> float:
        """Mean loss of the held-out items with the recipe's own prompts."""
        self.network.eval()
        batches = Batches(self._dataset, self._held_out, self._recipe, self._side)
        parts = [part for step in batches.in_order() for part in step]
        losses = [float(self._loss_of(part, None)) for part in parts]
        return float(np.average(losses, weights=[len(part.items) for part in parts]))

    @torch.inference_mode()
    def _validated_iou(self) -> dict[str, float]:
        """Give the mean IoU of the chosen masks; prompts are the same each time, but for clicks on the model's errors.

        Returns
        -------
        dict
            ``iou``: mean over the datasets of the means in each; ``iou of NAME`` for each.
        """
        self.network.eval()
        found: dict[str, list[float]] = {}
        for start in range(0, len(self._held_out), self._recipe.batch):
            some = self._held_out[start : start + self._recipe.batch]
            masks = [self._dataset.mask(item) for item in some]
            truth, embeddings = truth_of(masks).to(self._device), self.model.prepare(self._windows.of(some))
            first = self._asked(some, masks, 0)
            kept, _ = chosen(*self.model.decode(embeddings, first))
            second = self._clicked(first, kept, truth) if self._recipe.rounds else self._asked(some, masks, 1)
            again, _ = chosen(*self.model.decode(embeddings, second))
            for answer in (kept, again):
                for item, value in zip(some, iou_of_masks(answer, truth).tolist(), strict=True):
                    found.setdefault(item.dataset, []).append(value)
        means = {f"iou of {name}": float(np.mean(values)) for name, values in sorted(found.items())}
        return {"iou": float(np.mean(list(means.values()))), **means}

    def _asked(self, items: list[Item], masks: list[BoolMask], turn: int) -> PromptBatch:
        given = [
            prompts.draw(item_rng(turn, item, 0), VALIDATION[turn], mask, item.box)
            for item, mask in zip(items, masks, strict=True)
        ]
        return gathered(given, self._side).to(self._device)

    def _clicked(self, asked: PromptBatch, answer: Tensor, truth: Tensor) -> PromptBatch:
        """Correct answers as people do: a click in the middle of the largest error, beside the box."""
        rng = np.random.default_rng(self._recipe.seed)
        places, labels = click_on_error(answer, truth, self._side, rng, middle=1.0)
        return with_click(asked, places, labels, rng, box_kept=1.0)
