"""Whether new weights may go into service: they must not be worse, neither at the new objects nor at the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training import prompts
from training.dataset import Dataset, Item
from training.finetune.batches import item_rng, truth_of
from training.finetune.losses import iou
from training.models import Promptable, chosen, gathered
from training.start import Machine

WORSE = 0.005
"""By so much a mean IoU may fall: what the choice of other random prompts changes."""
PROMPTS = (prompts.Recipe("exact box", box="exact"), prompts.Recipe("loosened box", box="loosened"))
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured of one set of objects."""

    name: str
    objects: int
    before: float
    after: float

    @property
    def passes(self) -> bool:
        """Whether the new weights are not worse."""
        return self.after >= self.before - WORSE

    def __str__(self) -> str:
        """Say it in a line."""
        word = "passes" if self.passes else f"is worse by more than {WORSE}"
        return f"{self.name} ({self.objects} objects): IoU {self.before:.4f} -> {self.after:.4f}, {word}"


def judged(
    name: str, dataset: Dataset, items: list[Item], models: tuple[Promptable, Promptable], machine: Machine
) -> Verdict:
    """Compare two models on the same objects with the same prompts: the one at work, and the new one."""
    before, after = (_mean_iou(dataset, items, model, machine) for model in models)
    return Verdict(name, len(items), before, after)


@torch.inference_mode()
def _mean_iou(dataset: Dataset, items: list[Item], model: Promptable, machine: Machine) -> float:
    model.network.to(machine.device).eval()
    found: list[float] = []
    for start in range(0, len(items), _BATCH):
        some = items[start : start + _BATCH]
        masks = [dataset.mask(item) for item in some]
        images = torch.from_numpy(np.stack([dataset.image(item) for item in some])).permute(0, 3, 1, 2)
        truth = truth_of(masks).to(machine.device)
        with machine.autocast():
            embeddings = model.prepare(model.encode(images.to(machine.device)))
            for turn, recipe in enumerate(PROMPTS):
                given = [
                    prompts.draw(item_rng(turn, item, 0), recipe, mask, item.box)
                    for item, mask in zip(some, masks, strict=True)
                ]
                batch = gathered(given, model.side).to(machine.device)
                kept, _ = chosen(*model.decode(embeddings, batch))
                enlarged = torch.nn.functional.interpolate(
                    kept.float().unsqueeze(1), truth.shape[-2:], mode="bilinear", align_corners=False
                )
                found += iou(enlarged, truth)[:, 0].tolist()
    return float(np.mean(found))
