"""The training of the embedded model: seeded, counted in steps, and resumable at any of them."""

from __future__ import annotations

import copy
import hashlib
import json
import multiprocessing
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from training.embedded.loss import masks_loss
from training.embedded.model import fresh_model, plain_attention
from training.embedded.samples import EXACT, MOST_POINTS, NO_POINT, TARGETS, Sample, draw_sample
from training.embedded.scenes_on_disk import digest, scenes_for
from training.finetune.losses import iou
from training.models import PromptBatch, Sam2, chosen
from training.tissue import Scene

VALIDATION_SEED = 1_000_003
KIND_WEIGHTS = {"nuclei": 0.38, "glands": 0.34, "regions": 0.12, "blobs": 0.16}
_LAST_SHARE = 0.02
"""The learning rate ends at this share of its peak."""
_LOOK_STEPS = 250
"""How often the held-out samples are asked."""
_BOX_KEPT = 0.8
"""How often the box stays a prompt when a corrective point is added."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result."""

    steps: int = 3200
    scenes: int = 800
    batch: int = 12
    learning_rate: float = 7e-4
    weight_decay: float = 0.02
    warm_up_steps: int = 150
    """In which the learning rate rises."""
    decay: float = 0.3
    """Share of the steps, at the end, in which it falls; until then a run can still be made longer."""
    exact_boxes: float = 0.5
    """Share of nearly exact boxes: while there is much to learn, a box that says where the edge is helps."""
    exact_boxes_at_the_end: float = 0.3
    """The same while the learning rate falls: people draw loosely, and the model must not trust the box too much."""
    averaging: float = 0.998
    seed: int = 7
    config: str = "embedded"
    side: int = 256
    """Of the model's input, pixels."""


@dataclass
class _Run:
    """What a run needs to go on where it stopped."""

    model: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    spent_s: float = 0.0
    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    def save(self, file: Path) -> None:
        part = file.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": {"spent_s": self.spent_s, "step": self.step, "curve": self.curve},
            },
            part,
        )
        part.replace(file)

    def load(self, file: Path) -> None:
        state = torch.load(file, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, value in state["progress"].items():
            setattr(self, name, value)


def train(recipe: Recipe, folder: Path, *, stop_after: int | None = None) -> Path:
    """Train, or go on training, and write the averaged model.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    folder : Path
        Holds scenes, state, record and result; a second call with the same folder goes on.
    stop_after : int, optional
        Stop when this many steps are done in all, as if interrupted; the recipe's own count sets the learning rate.

    Returns
    -------
    Path
        The checkpoint, float16, as the service loads it.
    """
    torch.manual_seed(recipe.seed)
    scenes = scenes_for(folder, recipe.scenes, recipe.seed)
    held_out = _validation(scenes_for(folder, max(12, recipe.scenes // 10), recipe.seed + VALIDATION_SEED), recipe)
    run = _fresh_run(recipe)
    state = folder / "state.pt"
    if state.exists():
        run.load(state)
    try:
        with plain_attention():
            _steps(recipe, run, scenes, held_out, state, min(recipe.steps, stop_after or recipe.steps))
    finally:  # also on Ctrl-C: nothing of the work is lost
        run.save(state)
        _write_record(recipe, run, scenes, folder)
    return write_checkpoint(run.averaged, folder / "model.pt")


def write_checkpoint(model: nn.Module, file: Path) -> Path:
    """Write a model as the service loads it, in half precision."""
    half = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    part = file.with_suffix(".part")
    torch.save({"model": half}, part)
    part.replace(file)
    return file


def install_model(checkpoint: Path, record: dict[str, Any], target: Path) -> None:
    """Put a checkpoint where the service finds it, and its record as its card beside it."""
    content = checkpoint.read_bytes()
    card = {"name": "embedded", "config": record["recipe"]["config"], "sha256": hashlib.sha256(content).hexdigest()}
    target.write_bytes(content)
    target.with_suffix(".json").write_text(json.dumps({**card, **record}, indent=1) + "\n")


def _fresh_run(recipe: Recipe) -> _Run:
    model = fresh_model(recipe.config)
    matrices = [value for name, value in model.named_parameters() if value.ndim >= 2 and "embed" not in name]
    others = [value for name, value in model.named_parameters() if not (value.ndim >= 2 and "embed" not in name)]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )
    return _Run(model, copy.deepcopy(model).eval(), optimizer)


def _steps(recipe: Recipe, run: _Run, scenes: list[Scene], held_out: list[Sample], state: Path, last: int) -> None:
    """Step until `last` are done."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    started, before_s = time.monotonic(), run.spent_s
    recent: list[float] = []
    with _batches(recipe, scenes, run.step) as batches, Progress(*columns) as bar:
        task = bar.add_task("Training", total=last, completed=run.step, told="")
        while run.step < last:
            for group in run.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _schedule(recipe, run.step)
            recent.append(_step(recipe, run, next(batches)))
            run.spent_s = before_s + time.monotonic() - started
            bar.update(task, completed=run.step, told=f"IoU {np.mean(recent[-50:]):.3f}")
            if run.step % _LOOK_STEPS == 0 or run.step == recipe.steps:
                found = float(np.mean(validate(run.averaged, held_out)))
                run.curve.append(
                    {"minutes": run.spent_s / 60, "step": run.step, "iou": float(np.mean(recent)), "validation": found}
                )
                bar.console.print(f"{run.spent_s / 60:6.1f} min  step {run.step:6d}  validation IoU {found:.3f}")
                recent = []
                run.save(state)


def _schedule(recipe: Recipe, step: int) -> float:
    """Rise, stay, and fall in a straight line."""
    rise = min(1.0, (step + 1) / recipe.warm_up_steps)
    fall = min(1.0, (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps))
    return rise * (_LAST_SHARE + (1 - _LAST_SHARE) * fall)


def _step(recipe: Recipe, run: _Run, batch: tuple[Tensor, ...]) -> float:
    """Learn from the first prompts, then from one more point put on what is wrong."""
    images, masks, boxes, points, labels, boxed = batch
    truth = nn.functional.avg_pool2d(masks.unsqueeze(1), 2)
    run.model.train()
    model = Sam2(run.model)
    embeddings = model.encode(images).repeated(TARGETS)
    logits, scores = model.decode(embeddings, PromptBatch(boxes, boxed, points, labels))
    loss = masks_loss(logits, scores, truth)
    kept = chosen(logits.detach(), scores.detach())[0].unsqueeze(1)
    rng = np.random.default_rng([recipe.seed, 2, run.step])
    better_points, better_labels = corrected(rng, kept, masks, points, labels)
    still_boxed = boxed & (torch.from_numpy(rng.random(len(boxed)) < _BOX_KEPT) | ~(better_labels == 1).any(1))
    again, scores_again = model.decode(embeddings, PromptBatch(boxes, still_boxed, better_points, better_labels))
    loss = 0.6 * loss + 0.4 * masks_loss(again, scores_again, truth)
    run.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    keep = min(recipe.averaging, (1 + run.step) / (20 + run.step))
    with torch.no_grad():
        for average, parameter in zip(run.averaged.parameters(), run.model.parameters(), strict=True):
            average.lerp_(parameter, 1 - keep)
    return float(iou(nn.functional.interpolate(kept, masks.shape[-2:], mode="bilinear"), masks.unsqueeze(1)).mean())


def corrected(
    rng: np.random.Generator, kept: Tensor, masks: Tensor, points: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Add a point where the chosen mask is wrong: object that it missed, or background that it took.

    Parameters
    ----------
    kept : (b, 1, h, w)
        Raw values of the chosen mask.
    masks : (b, s, s)
        Truth.
    points, labels : (b, n, 2), (b, n)
        The prompts so far; the new point takes the first free place, or the last one.
    """
    side = masks.shape[-1]
    found = nn.functional.interpolate(kept, (side, side), mode="bilinear")[:, 0] > 0
    wrong = (found != (masks > 0.5)).numpy()
    points, labels = points.clone(), labels.clone()
    for index, places in enumerate(wrong):
        ys, xs = np.nonzero(places)
        if not len(xs):
            continue
        pick = int(rng.integers(len(xs)))
        free = (labels[index] == NO_POINT).nonzero()
        slot = int(free[0]) if len(free) else MOST_POINTS - 1
        points[index, slot] = torch.tensor([xs[pick] + 0.5, ys[pick] + 0.5])
        labels[index, slot] = int(masks[index, ys[pick], xs[pick]] > 0.5)
    return points, labels


@torch.no_grad()
def validate(model: nn.Module, samples: list[Sample], batch: int = 20) -> list[float]:
    """IoU of the chosen masks."""
    found: list[float] = []
    for start in range(0, len(samples), batch):
        images, masks, boxes, points, labels, boxed = collate(samples[start : start + batch])
        promptable = Sam2(model)
        embeddings = promptable.encode(images).repeated(TARGETS)
        kept, _ = chosen(*promptable.decode(embeddings, PromptBatch(boxes, boxed, points, labels)))
        enlarged = nn.functional.interpolate(kept.unsqueeze(1), masks.shape[-2:], mode="bilinear")
        found += iou(enlarged, masks.unsqueeze(1))[:, 0].tolist()
    return found


def collate(samples: list[Sample]) -> tuple[Tensor, ...]:
    """Stack n samples to n windows and b = n * TARGETS prompts.

    Returns
    -------
    images, masks, boxes, points, labels, boxed
        (n, 3, s, s), (b, s, s), (b, 4), (b, p, 2), (b, p), (b,).
    """
    targets = [target for sample in samples for target in sample.targets]
    return (
        torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2),
        torch.from_numpy(np.stack([target.mask for target in targets])),
        torch.from_numpy(np.stack([target.box for target in targets])),
        torch.from_numpy(np.stack([target.points for target in targets])),
        torch.from_numpy(np.stack([target.point_labels for target in targets])),
        torch.tensor([target.boxed for target in targets]),
    )


def _validation(scenes: list[Scene], recipe: Recipe) -> list[Sample]:
    rng = np.random.default_rng(VALIDATION_SEED)
    return [_random_sample(rng, _by_kind(scenes), recipe.side, augment=False) for _ in range(200)]


def _by_kind(scenes: list[Scene]) -> dict[str, list[Scene]]:
    found: dict[str, list[Scene]] = {}
    for scene in scenes:
        found.setdefault(scene.objects[0].kind, []).append(scene)
    return found


def _random_sample(
    rng: np.random.Generator, by_kind: dict[str, list[Scene]], side: int, *, augment: bool = True, exact: float = EXACT
) -> Sample:
    kinds = [kind for kind in KIND_WEIGHTS if kind in by_kind]
    weights = np.array([KIND_WEIGHTS[kind] for kind in kinds])
    scenes = by_kind[kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]]
    scene = scenes[int(rng.integers(len(scenes)))]
    return draw_sample(
        rng, scene, scene.objects[int(rng.integers(len(scene.objects)))], side, augment=augment, exact=exact
    )


@contextmanager
def _batches(recipe: Recipe, scenes: list[Scene], first: int) -> Iterator[Iterator[tuple[Tensor, ...]]]:
    """Draw batches in another process while the model learns; batch n is the same whenever a run resumes."""
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue(6)
    worker = context.Process(target=_fill, args=(queue, recipe, scenes, first), daemon=True)
    worker.start()

    def received() -> Iterator[tuple[Tensor, ...]]:
        while True:
            yield tuple(torch.from_numpy(array) for array in queue.get())

    try:
        yield received()
    finally:
        worker.kill()  # a polite end would wait until somebody has taken what it still has in the queue
        worker.join()


def _fill(queue: Any, recipe: Recipe, scenes: list[Scene], first: int) -> None:
    by_kind = _by_kind(scenes)
    number = first
    while True:
        rng = np.random.default_rng([recipe.seed, 1, number])
        exact = recipe.exact_boxes if number < (1 - recipe.decay) * recipe.steps else recipe.exact_boxes_at_the_end
        samples = [_random_sample(rng, by_kind, recipe.side, exact=exact) for _ in range(recipe.batch)]
        queue.put(tuple(np.ascontiguousarray(tensor.numpy()) for tensor in collate(samples)))
        number += 1


def _write_record(recipe: Recipe, run: _Run, scenes: list[Scene], folder: Path) -> None:
    """Keep what was done beside what came out."""
    record = {
        "recipe": asdict(recipe),
        "steps": run.step,
        "minutes": round(run.spent_s / 60, 2),
        "scenes_sha256": digest(scenes),
        "objects": sum(len(scene.objects) for scene in scenes),
        "curve": run.curve,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")
