"""Whether new weights may go into service: worse nowhere, and better somewhere on objects that they were not taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from training import prompts
from training.dataset import Dataset, Item
from training.finetune.batches import item_rng, truth_of
from training.finetune.losses import iou_of_masks
from training.models import Promptable, chosen, gathered
from training.start import Machine

WORSE = 0.005
"""By so much a mean IoU may fall: what the choice of other random prompts changes."""
BETTER = 0.005
"""By so much a mean IoU must rise, and by `SURE` standard errors of the difference, to count as better."""
SURE = 2.0
PROMPTS = (prompts.Recipe("exact box", box="exact"), prompts.Recipe("loosened box", box="loosened"))
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured of one set of objects."""

    name: str
    objects: int
    before: float
    """Mean IoU."""
    after: float
    error: float = 0.0
    """Standard error of the mean difference, object by object."""
    taught: bool = False
    """Whether the new weights have learned from these very objects, or were chosen by them: a gain proves nothing."""

    @property
    def passes(self) -> bool:
        """Whether the new weights are not worse."""
        return self.after >= self.before - WORSE

    @property
    def proves(self) -> bool:
        """Whether the new weights are better, beyond chance, on objects that they were not taught."""
        gain = self.after - self.before
        return not self.taught and gain >= BETTER and gain > SURE * self.error

    def __str__(self) -> str:
        """Say it in a line."""
        moved = f"IoU {self.before:.4f} -> {self.after:.4f} (± {self.error:.4f})"
        return f"{self.name} ({self.objects} objects): {moved}, {self._word()}"

    def _word(self) -> str:
        if not self.passes:
            return f"worse by more than {WORSE}"
        if self.proves:
            return "better"
        return (
            "not worse; no proof, because the weights were trained on them"
            if self.taught
            else "not worse, not clearly better"
        )


def refusal(verdicts: Sequence[Verdict]) -> str | None:
    """Say why new weights may not go into service; None where they may.

    They may if they are worse on no set of objects by more than `WORSE`, and better on one at least.
    """
    worse = [each.name for each in verdicts if not each.passes]
    if worse:
        return f"The new weights are worse by more than {WORSE}: {', '.join(worse)}."
    if any(each.proves for each in verdicts):
        return None
    return (
        f"Nothing shows that the new weights are better: proof takes a gain of {BETTER} in IoU and of {SURE:g} standard"
        " errors, on objects that they were not trained on."
    )


def judged(
    name: str,
    dataset: Dataset,
    items: list[Item],
    models: tuple[Promptable, Promptable],
    machine: Machine,
    *,
    taught: bool = False,
) -> Verdict:
    """Compare two models on the same objects with the same prompts: the one at work, and the new one."""
    before, after = (_ious(dataset, items, model, machine) for model in models)
    change = (after - before).mean(1)  # of an object's prompts, which are not independent
    error = float(change.std(ddof=1) / np.sqrt(len(change))) if len(change) > 1 else float("inf")
    return Verdict(name, len(items), float(before.mean()), float(after.mean()), error, taught)


@torch.inference_mode()
def _ious(dataset: Dataset, items: list[Item], model: Promptable, machine: Machine) -> npt.NDArray[np.float64]:
    """Measure the IoU of every object with each of `PROMPTS`, (n, prompts)."""
    model.network.to(machine.device).eval()
    found: list[list[list[float]]] = []
    for start in range(0, len(items), _BATCH):
        some = items[start : start + _BATCH]
        masks = [dataset.mask(item) for item in some]
        images = torch.from_numpy(np.stack([dataset.image(item) for item in some])).permute(0, 3, 1, 2)
        truth = truth_of(masks).to(machine.device)
        with machine.autocast():
            embeddings = model.prepare(model.encode(images.to(machine.device)))
            kinds = []
            for turn, recipe in enumerate(PROMPTS):
                given = [
                    prompts.draw(item_rng(turn, item, 0), recipe, mask, item.box)
                    for item, mask in zip(some, masks, strict=True)
                ]
                batch = gathered(given, model.side).to(machine.device)
                kept, _ = chosen(*model.decode(embeddings, batch))
                kinds.append(iou_of_masks(kept, truth).tolist())
        found.append(kinds)
    return np.concatenate([np.array(kinds).T for kinds in found])
