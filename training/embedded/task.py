"""What the loop trains: a small model, from scenes that lie on the device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from training.clicks import click_on_error, with_click
from training.embedded.asked import Habits, ask
from training.embedded.bent import bent
from training.embedded.loss import masks_loss
from training.embedded.pool import Pool, Rng
from training.embedded.prompted import boxes_on, first_prompts
from training.embedded.recipe import Recipe
from training.embedded.scenes import DrawnScenes
from training.embedded.windows import cut
from training.finetune.losses import iou_of_masks
from training.loop import Stopwatch
from training.mask_prompts import RAW, MaskPrompts
from training.models import PromptBatch, Sam2, chosen
from training.tissue import Scene
from training.views import recoloured, view_of

MASK_PROMPTS = MaskPrompts(*RAW, learned=True)
_WEIGHTS_OF_ROUNDS = (0.5, 0.3, 0.2)
_SEED_OF_BATCHES, _SEED_OF_HELD_OUT, _SEED_OF_BENT = 2, 3, 4
_LOOKED_AT = 12
"""Windows that a look takes at once."""


class Embedded:
    """The task of the loop.

    Parameters
    ----------
    pool : Pool
        Its first `recipe.scenes` places are for drawn scenes, the others for real ones.
    drawn : DrawnScenes
        Where drawn ones come from.
    real : sequence of Scene
        As many as there are places for them.
    held_out : dict
        Scenes that are only looked at, by what they are of.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        pool: Pool,
        drawn: DrawnScenes,
        real: Sequence[Scene],
        held_out: dict[str, Pool],
        watch: Stopwatch,
    ) -> None:
        self._recipe, self._pool, self._held_out, self._watch = recipe, pool, held_out, watch
        self._drawn, self._real = drawn, real
        self.network = network
        self.averaged = copy.deepcopy(network).eval()
        self._model = Sam2(network, MASK_PROMPTS)
        self.optimizer: torch.optim.Optimizer = _optimizer(network, recipe)
        self._numbers: list[int] = [-1] * recipe.scenes
        self._versions: list[int] = [-1] * len(real)
        self._last = -(-recipe.steps * recipe.accumulate // recipe.epoch)
        self.kept: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """Count the batches between two looks."""
        return min(self._recipe.epoch, self._recipe.steps * self._recipe.accumulate)

    def learnt(self) -> dict[str, Tensor]:
        """Give the weights, and their average."""
        pairs = (("", self.network), ("averaged ", self.averaged))
        return {prefix + name: value for prefix, net in pairs for name, value in net.state_dict().items()}

    def batches(self, epoch: int, first: int) -> Iterator[Rng]:
        """Go through an epoch; a batch is the random numbers that everything of it is drawn with."""
        self._gather(epoch)
        last = self._recipe.steps * self._recipe.accumulate
        for number in range(epoch * self._recipe.epoch + first, min((epoch + 1) * self._recipe.epoch, last)):
            yield np.random.default_rng([self._recipe.seed, _SEED_OF_BATCHES, number])

    def _gather(self, epoch: int) -> None:
        """Have the scenes of an epoch at hand, whatever was before; those of the next one are drawn meanwhile."""
        wanted = numbers_of(self._recipe, epoch)
        changed = [(place, number) for place, number in enumerate(wanted) if self._numbers[place] != number]
        scenes = self._drawn.take([number for _, number in changed])
        for (place, _), scene in zip(changed, scenes, strict=True):
            self._pool.put(place, scene)
        self._numbers = wanted
        self._bend(epoch)
        if epoch + 1 < self._last:
            self._drawn.ask(sorted(set(numbers_of(self._recipe, epoch + 1)) - set(wanted)))

    def _bend(self, epoch: int) -> None:
        """Lay the real scenes of an epoch into their places, as they are or bent; from one to the next, few change."""
        recipe = self._recipe
        for index, version in enumerate(versions_of(recipe, epoch, len(self._real))):
            if self._versions[index] != version:
                rng = np.random.default_rng([recipe.seed, _SEED_OF_BENT, index, version])
                scene = self._real[index]
                self._pool.put(recipe.scenes + index, bent(rng, scene) if rng.random() < recipe.bent else scene)
                self._versions[index] = version

    def loss(self, rng: Rng) -> Tensor:
        """Weigh the answers to the first prompts, and to a point on what is wrong, round by round."""
        recipe = self._recipe
        with (
            self._watch.part("windows and prompts"),
            torch.no_grad(),
            torch.autocast(self._pool.device.type, enabled=False),
        ):
            images, truth, prompts = self._drawn_batch(rng)
        with self._watch.part("encode"):
            embeddings = self._model.encode(images).repeated(recipe.targets)
        weights = np.array(_WEIGHTS_OF_ROUNDS[: recipe.rounds + 1])
        losses = []
        for turn, weight in enumerate(weights / weights.sum()):
            with self._watch.part("decode and weigh"):
                logits, scores = self._model.decode(embeddings, prompts)
                losses.append(float(weight) * masks_loss(logits.float(), scores.float(), truth))
            if turn < recipe.rounds:
                with self._watch.part("clicks"), torch.no_grad():
                    prompts = self._corrected(prompts, logits, scores, truth, rng)
        return torch.stack(losses).sum()

    def _drawn_batch(self, rng: Rng) -> tuple[Tensor, Tensor, PromptBatch]:
        recipe = self._recipe
        asked = ask(
            rng, self._pool, recipe.batch, recipe.targets, Habits(recipe.exact_boxes, recipe.far_off), recipe.real,
            recipe.empty,
        )  # fmt: skip
        images, truth = cut(rng, self._pool, asked, recipe.side)
        view = view_of(rng, recipe.side)
        images, truth = recoloured(view.of_maps(images), rng), view.of_maps(truth)
        boxes = view.of_boxes(boxes_on(self._pool.device, asked.boxes, recipe.side))
        return images, truth, first_prompts(rng, truth, boxes, recipe)

    def _corrected(self, prompts: PromptBatch, logits: Tensor, scores: Tensor, truth: Tensor, rng: Rng) -> PromptBatch:
        """Add a click where the mask that the service would show is wrong."""
        kept, _ = chosen(logits, scores)
        places, labels = click_on_error(kept, truth, self._recipe.side, rng)
        clicked = with_click(prompts, places, labels, rng, self._recipe.box_kept)
        given = kept.float().sigmoid().unsqueeze(1) if rng.random() < self._recipe.mask_given else None
        return replace(clicked, masks=given)

    def stepped(self, steps: int) -> None:
        """Let the average follow the weights."""
        keep = min(self._recipe.averaging, (1 + steps) / (20 + steps))
        with torch.no_grad():
            averages, values = list(self.averaged.parameters()), list(self.network.parameters())
            cast(Any, torch)._foreach_lerp_(averages, values, 1 - keep)  # hundreds of small calls cost a GPU more

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Give the IoU of the averaged weights' masks: of boxes, and after a click in the largest error."""
        found, clicked = {}, []
        for name, pool in self._held_out.items():
            before, after = self._looked_at(pool)
            found[f"iou of {name}"] = before
            clicked.append(after)
        return {"iou": float(np.mean(list(found.values()))), **found, "iou after a click": float(np.mean(clicked))}

    def _looked_at(self, pool: Pool) -> tuple[float, float]:
        recipe, model = self._recipe, Sam2(self.averaged.eval(), MASK_PROMPTS)
        rng = np.random.default_rng([recipe.seed, _SEED_OF_HELD_OUT])
        rows = []
        for _ in range(-(-recipe.held_out // _LOOKED_AT)):
            asked = ask(rng, pool, min(_LOOKED_AT, recipe.held_out), 2, Habits(0.5, 0.0), 1.0, 0.0)
            with torch.autocast(pool.device.type, enabled=False):
                images, truth = cut(rng, pool, asked, recipe.side)
            prompts = first_prompts(rng, truth, boxes_on(pool.device, asked.boxes, recipe.side), recipe, plain=True)
            embeddings = model.encode(images).repeated(2)
            kept, _ = chosen(*model.decode(embeddings, prompts))
            places, labels = click_on_error(kept, truth, recipe.side, rng, middle=1.0)
            again, _ = chosen(*model.decode(embeddings, with_click(prompts, places, labels, rng, box_kept=1.0)))
            rows.append(torch.stack([iou_of_masks(kept, truth), iou_of_masks(again, truth)]))
        before, after = torch.cat(rows, 1).mean(1).tolist()
        return before, after

    def keep(self, *, best: bool) -> None:
        """Write record and weights; the result is the average at the end, not the best look."""
        self.kept()


def numbers_of(recipe: Recipe, epoch: int) -> list[int]:
    """Tell which drawn scenes an epoch sees, place by place: some are new, the others stay where they are."""
    first = epoch * round(recipe.fresh * recipe.scenes)
    return sorted(range(first, first + recipe.scenes), key=lambda number: number % recipe.scenes)


def versions_of(recipe: Recipe, epoch: int, count: int) -> list[int]:
    """Tell which version of each real scene an epoch sees; in every epoch, as many change as are new of drawn ones."""
    return [int((epoch + 0.5) * recipe.fresh + index / max(count, 1)) for index in range(count)]


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    named = list(network.named_parameters())
    decays = [value.ndim >= 2 and "embed" not in name for name, value in named]
    matrices = [value for (_, value), decayed in zip(named, decays, strict=True) if decayed]
    others = [value for (_, value), decayed in zip(named, decays, strict=True) if not decayed]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )
