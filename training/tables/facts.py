"""What a page says of itself: which weights and data gave its numbers, and what they do not show."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from training.dataset import Dataset, Item
from training.evaluation.cascade_psp import CascadePsp
from training.start import Machine
from training.tables.entry import Arm, Entry, Line
from training.tables.learning import Opened
from training.tables.weights import Weights

SMALL = (
    "These numbers come from small stand-ins, most of them with random weights. They show that this experiment can be"
    " run; they say nothing about the thesis' models."
)
EMBEDDED = "These numbers come from the embedded model, a small stand-in. They say nothing about the thesis' models."
RANDOM = "Some of these numbers come from random weights. They only show that this experiment can be run."
NO_MASKS = (
    "The checkpoint of {model} was never trained with mask prompts, so its rows with masks say nothing about masks."
)
SEEN = "No unseen data were given (--unseen), so this was measured on the test split of the training data."


@dataclass
class Facts:
    """Gathers facts and warnings while an entry runs."""

    entry: Entry
    weights: Weights
    lines: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    models: set[str] = field(default_factory=set)

    def of_a_model(self, arm: Arm, opened: Opened, lines: Sequence[Line]) -> None:
        """Note which weights a model has, and how it learned."""
        loaded = opened.loaded
        self.models.add(arm.model)
        name = ", ".join(line.label for line in lines) if len(lines) in {1, 2} else ""
        weights = loaded.sha256 if loaded.name == "random" else f"{loaded.name}, sha256 {loaded.sha256}"
        told = f"{weights}, config {loaded.config}; {opened.learned}"
        self.lines.append((f"{arm.model}{f' ({name})' if name else ''}", told))
        masks = any(recipe.mask for line in lines for recipe in line.asked.prompts)
        if masks and loaded.mask_prompts.learned is False:
            self._warn(NO_MASKS.format(model=arm.model))
        if loaded.name == "random" and not self.weights.small:
            self._warn(RANDOM)

    def of_the_run(
        self, data: Dataset, items: Sequence[Item], machine: Machine, *, unseen: bool, redraw: CascadePsp | None
    ) -> None:
        """Note the data and the machine."""
        if self.weights.small:
            embedded = self.models and all(model.startswith("sam2") and "," not in model for model in self.models)
            self.warnings.insert(0, EMBEDDED if embedded else SMALL)
        if self.entry.unseen and not unseen:
            self._warn(SEEN)
        if redraw is not None:
            self.lines.append(("CascadePSP", redraw.sha256))
        if items:
            counts = Counter(item.dataset for item in items)
            told = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
            slides = len({item.slide for item in items})
            self.lines.append(("data", f"{data.folder.name}, sha256 {data.sha256}"))
            self.lines.append(("objects", f"{told}; {slides} slides, none of which was trained on here"))
        kind = torch.cuda.get_device_name(machine.device) if machine.device.type == "cuda" else platform.machine()
        precision = "bfloat16" if machine.mixed else "float32"
        self.lines.append(("computed", f"on {kind}, {precision}, torch {torch.__version__}"))

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)
