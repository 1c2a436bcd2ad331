"""Models that have learned: each arm once, whatever number of tables it stands in; a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.dataset import Dataset
from training.finetune.recipe import Recipe
from training.finetune.run import BEST, Origin
from training.finetune.train import fine_tune
from training.models import Loaded
from training.start import Machine
from training.tables.entry import Arm
from training.tables.weights import Weights

RUNS, EMBEDDINGS = "runs", "embeddings"


@dataclass(frozen=True)
class Opened:
    """A model that is ready to be asked."""

    loaded: Loaded
    encoder_sha256: str | None
    """What its embeddings depend on; None where its image encoder has learned, so that they are its own."""
    learned: str
    """How it learned, in words."""


@dataclass(frozen=True)
class School:
    """Where arms learn, and from what."""

    dataset: Dataset
    folder: Path
    weights: Weights
    machine: Machine
    epochs: int | None = None
    """In place of the recipes' own; None: as they say."""
    batch: int | None = None

    def open(self, arm: Arm) -> Opened:
        """Open an arm; it learns first, or goes on learning, if it has not yet.

        Raises
        ------
        StartupError
            Weights are missing.
        BrokenDataset, BrokenRun, NoSpace
            Nothing that was done before is lost.
        """
        begins = str(self._run(arm.begins) / BEST) if arm.begins else None
        start = self.weights.open(arm.model, begins)
        if arm.recipe is None:
            return Opened(start, start.sha256, "not trained here")
        run = self._run(arm, start)
        recipe = self._recipe(arm.recipe)
        loaded = self.weights.open(arm.model, str(run / BEST))
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return Opened(loaded, start.sha256 if recipe.tune == "decoder" else None, _told(recipe, record))

    def _run(self, arm: Arm, start: Loaded | None = None) -> Path:
        """Let an arm learn to the end; gives the folder of its run."""
        assert arm.recipe is not None  # noqa: S101  an arm that others begin with has learned
        if start is None:
            begins = str(self._run(arm.begins) / BEST) if arm.begins else None
            start = self.weights.open(arm.model, begins)
        recipe = self._recipe(arm.recipe)
        folder = self.folder / RUNS / self._key(arm, start, recipe)
        if not _is_finished(folder, recipe):
            counts = Counter(self.dataset.splits[item.slide] for item in self.dataset.items)
            origin = Origin(start.name, start.sha256, start.config, self.dataset.folder.name, self.dataset.sha256,
                            dict(sorted(counts.items())))  # fmt: skip
            fine_tune(
                start.model, recipe, self.dataset, origin, folder, self.machine, embeddings=self.folder / EMBEDDINGS
            )
        return folder

    def _recipe(self, recipe: Recipe) -> Recipe:
        return replace(recipe, epochs=self.epochs or recipe.epochs, batch=self.batch or recipe.batch)

    def _key(self, arm: Arm, start: Loaded, recipe: Recipe) -> str:
        """Name a run by all that decides it, but for how long it learns: more epochs go on with it."""
        decides = {name: value for name, value in asdict(recipe).items() if name != "epochs"}
        text = json.dumps([start.config, start.sha256, decides, self.dataset.sha256])
        return f"{arm.model.replace(',', '_')}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _is_finished(folder: Path, recipe: Recipe) -> bool:
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        stale = 0 < recipe.patience <= record["epochs"] - record["best_epoch"]
        return bool((folder / BEST).is_file() and (record["epochs"] >= recipe.epochs or stale))
    except (OSError, ValueError, KeyError):
        return False


def _told(recipe: Recipe, record: dict[str, Any]) -> str:
    minutes = record["curve"][-1]["minutes"]
    data = f" on {' and '.join(recipe.datasets)}" if recipe.datasets else ""
    return (
        f"{recipe.tune}{data}, loss {recipe.loss}, prompts {'+'.join(recipe.prompt_types)}, batch {recipe.batch},"
        f" epochs {record['epochs']}, best after {record['best_epoch']}, {minutes:.1f} minutes"
    )
