"""The fine-tuning: a model learns from prompts of all kinds; it can be stopped at any moment and goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor, nn

from training import prompts
from training.dataset import Dataset, Item
from training.errors import BrokenDataset
from training.finetune.batches import LOSS_SIDE, Batch, Batches, item_rng, truth_of
from training.finetune.embeddings import Store, precomputed
from training.finetune.epoch_curves import Curves
from training.finetune.losses import iou, weighed
from training.finetune.recipe import Recipe
from training.finetune.run import BEST, LAST, Origin, Run, trained
from training.mask_prompts import of_values
from training.models import Embeddings, Promptable, chosen, gathered
from training.start import Machine

VALIDATION = (
    prompts.Recipe("box", box="jittered"),
    prompts.Recipe("box, 1 point (+)", box="jittered", positive=1),
)
_MOST_VALIDATED = 400


def fine_tune(
    model: Promptable, recipe: Recipe, dataset: Dataset, origin: Origin, folder: Path, machine: Machine
) -> Run:
    """Fine-tune a model, or go on with it.

    Parameters
    ----------
    model : Promptable
        With its starting weights; changed in place.
    folder : Path
        Of the run: best.pt, last.pt, run.json, curve.png, tensorboard; and embeddings, which may be deleted afterwards.

    Returns
    -------
    Run
        ``progress`` tells how well it went; epoch 0 of its curve is the starting weights.

    Raises
    ------
    BrokenDataset, BrokenRun, NoSpace
        Nothing that was done before is lost.
    """
    items, held_out = dataset.of("train"), _validated(dataset)
    if not items or not held_out:
        raise BrokenDataset("The dataset has nothing to train on, or nothing to validate with: it needs three slides.")
    run = Run(folder, recipe, origin)  # another run's folder is refused before anything long
    dataset.check_files([*items, *held_out])
    torch.manual_seed(recipe.seed)
    model.network.to(machine.device)
    model.mask_prompts = of_values(recipe.mask_values)
    features = _features(model, recipe, dataset, [*items, *held_out], origin, folder, machine)
    model.freeze(recipe.tune, recipe.lora_rank)
    learning = trained(model.network).values()
    optimizer = torch.optim.AdamW(learning, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    resumed = run.resume(model.network, optimizer)
    batches = Batches(dataset, items, recipe, model.side)
    curves = Curves(folder)
    console = Console()
    trainer = _Trainer(model, optimizer, recipe, features, machine)
    with machine.attention():
        if not resumed:
            found = trainer.validate(dataset, held_out)
            _close_epoch(run, trainer, curves, {"epoch": 0, **found})
            console.print(_told(run))
        try:
            while run.progress.epoch < recipe.epochs and not _stale(run, recipe):
                _epoch(run, trainer, batches)
                found = trainer.validate(dataset, held_out)
                epoch, loss = run.progress.epoch + 1, float(np.mean(run.progress.losses))
                run.progress.epoch, run.progress.batch, run.progress.losses = epoch, 0, []
                _close_epoch(run, trainer, curves, {"epoch": epoch, "loss": loss, **found})
                console.print(_told(run))
        except KeyboardInterrupt:
            run.save(model.network, optimizer)
            raise
    return run


def _epoch(run: Run, trainer: _Trainer, batches: Batches) -> None:
    columns = (
        TextColumn("Epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    progress = run.progress
    with Bar(*columns) as bar:
        task = bar.add_task("", total=len(batches), completed=progress.batch, epoch=progress.epoch + 1, told="")
        for batch in batches.of_epoch(progress.epoch, progress.batch):
            progress.losses.append(trainer.step(batch))
            progress.batch += 1
            bar.update(task, completed=progress.batch, told=f"loss {np.mean(progress.losses[-20:]):.4f}")


def _close_epoch(run: Run, trainer: _Trainer, curves: Curves, point: dict[str, float]) -> None:
    """Note how an epoch went, and keep what it gave."""
    progress = run.progress
    progress.curve.append(point)
    if point["iou"] > progress.best_iou:
        progress.best_iou, progress.best_epoch = point["iou"], progress.epoch
        run.save_checkpoint(trainer.model, BEST)
    if progress.epoch:
        run.save_checkpoint(trainer.model, LAST)
    run.save(trainer.model.network, trainer.optimizer)
    curves.add(progress.curve)


def _stale(run: Run, recipe: Recipe) -> bool:
    return 0 < recipe.patience <= run.progress.epoch - run.progress.best_epoch


def _told(run: Run) -> str:
    point = run.progress.curve[-1]
    best = " (best)" if run.progress.best_epoch == run.progress.epoch else ""
    loss = f"  loss {point['loss']:.4f}" if run.progress.epoch else ""
    return f"epoch {point['epoch']:3.0f}{loss}  validation IoU {point['iou']:.4f}{best}"


def _validated(dataset: Dataset) -> list[Item]:
    """Choose what is validated with: all of it, or as many as an epoch can bear, the same ones each time."""
    items = sorted(dataset.of("validation"), key=lambda item: item.sha256)
    return items[:_MOST_VALIDATED]


Features = Callable[[list[Item]], Embeddings]


def _features(
    model: Promptable,
    recipe: Recipe,
    dataset: Dataset,
    items: list[Item],
    origin: Origin,
    folder: Path,
    machine: Machine,
) -> Features:
    """Give the way from items to embeddings: from the disk while the encoder is frozen, else through the encoder."""
    if recipe.tune == "decoder":
        model.network.eval()
        store: Store = precomputed(
            model, origin.checkpoint_sha256, dataset, items, folder / "embeddings", machine.device
        )
        return lambda batch: store.of(batch, machine.device)

    def through_the_encoder(batch: list[Item]) -> Embeddings:
        images = np.stack([dataset.image(item) for item in batch])
        return model.encode(torch.from_numpy(images).permute(0, 3, 1, 2).to(machine.device))

    return through_the_encoder


class _Trainer:
    """A model and what changes it."""

    def __init__(
        self,
        model: Promptable,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        features: Features,
        machine: Machine,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self._recipe, self._features, self._machine = recipe, features, machine
        self._side = model.side

    def step(self, batches: list[Batch]) -> float:
        """Learn from every kind of prompts of a batch; gives the mean loss."""
        self.model.network.train()
        weights = torch.tensor([float(len(batch.items)) for batch in batches], device=self._machine.device)
        with self._machine.autocast():
            losses = torch.stack([self._loss(batch) for batch in batches])
            loss = (losses * weights).sum() / weights.sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained(self.model.network).values(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        truth = batch.truth.to(self._machine.device)
        embeddings = self.model.prepare(self._features(batch.items))
        losses = []
        for given in batch.prompts:
            logits, scores = self.model.decode(embeddings, given.to(self._machine.device))
            losses.append(
                weighed(self._recipe, logits[:, 1:].float(), scores[:, 1:].float(), truth, self.model.score_error)
            )
        return torch.stack(losses).mean()

    @torch.inference_mode()
    def validate(self, dataset: Dataset, items: list[Item]) -> dict[str, float]:
        """Measure the chosen masks on the held-out items; prompts are the same each time.

        Returns
        -------
        dict
            ``iou``: mean over the datasets of the means in each; ``iou of NAME`` for each.
        """
        self.model.network.eval()
        found: dict[str, list[float]] = {}
        for start in range(0, len(items), self._recipe.batch):
            some = items[start : start + self._recipe.batch]
            masks = [dataset.mask(item) for item in some]
            truth = truth_of(masks).to(self._machine.device)
            with self._machine.autocast():
                embeddings = self.model.prepare(self._features(some))
                for turn, recipe in enumerate(VALIDATION):
                    given = [
                        prompts.draw(item_rng(turn, item, 0), recipe, mask, item.box)
                        for item, mask in zip(some, masks, strict=True)
                    ]
                    batch = gathered(given, self._side).to(self._machine.device)
                    kept, _ = chosen(*self.model.decode(embeddings, batch))
                    for item, value in zip(some, _ious(kept, truth), strict=True):
                        found.setdefault(item.dataset, []).append(value)
        means = {f"iou of {name}": float(np.mean(values)) for name, values in sorted(found.items())}
        return {"iou": float(np.mean(list(means.values()))), **means}


def _ious(kept: Tensor, truth: Tensor) -> list[float]:
    size = (LOSS_SIDE, LOSS_SIDE)
    enlarged = nn.functional.interpolate(kept.float().unsqueeze(1), size, mode="bilinear", align_corners=False)
    return [float(value) for value in iou(enlarged, truth)[:, 0]]
