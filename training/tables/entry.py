"""What an entry of the registry is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from training import prompts
from training.evaluation.metrics import FOUR
from training.finetune.recipe import Recipe

After = Literal["raw", "OpenCV", "CascadePSP", "recirculation"]
"""What happens to a mask before it is measured; source: thesis, section 5.7."""
How = Literal["prompted", "automatic", "the mask prompt itself"]
Shown = Literal["image", "truth", "prompt", "found", "grid", "masks"]
Kind = Literal["table", "figure"]


@dataclass(frozen=True, slots=True)
class Arm:
    """A model of a table: what it is, and how it learns."""

    model: str
    """Its architecture, by the name that `training.models.open_model` knows it by."""
    recipe: Recipe | None = None
    """None: as it was published."""
    begins: Arm | None = None
    """The arm whose best checkpoint it begins with; None: published weights."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked for each object."""

    prompts: tuple[prompts.Recipe, ...] = ()
    """Each of them counts as a sample of its own, as in the thesis."""
    after: After = "raw"
    how: How = "prompted"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table."""

    label: str
    """As `thesis.csv` calls it, where the thesis has it."""
    arm: Arm
    asked: Asked


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of a row of pictures."""

    title: str
    show: Shown
    arm: Arm | None = None
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, slots=True)
class Entry:
    """A table or a figure."""

    number: str
    title: str
    kind: Kind = "table"
    lines: tuple[Line, ...] = ()
    metrics: tuple[str, ...] = FOUR
    panels: tuple[Panel, ...] = ()
    """Of each of some objects."""
    skipped: int = 0
    """So many objects come before the first that is shown."""
    compared_with: str = ""
    """Label of a line whose IoU all others are compared with, object by object."""
    every_combination: Line | None = None
    """A line that is repeated for every combination of the datasets that it learns from, zero-shot first."""
    unseen: bool = False
    """Whether it is measured on a dataset that nothing was trained on."""
    architectures: tuple[str, ...] = ()
    """Models of which the parts are listed."""
    elsewhere: str = ""
    """The command, where it is not ours; or why there is none."""
    note: str = ""
