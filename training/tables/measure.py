"""Measuring: what each model answers for each object, one line each, and so resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from app.geometry.masks import BoolMask, clean_mask
from training import prompts
from training.dataset import Dataset, Item
from training.errors import telling_of_full_disks
from training.evaluation.cascade_psp import Redraw
from training.evaluation.methods import Found, Model, recirculated
from training.evaluation.metrics import measured, overlap, size_retention
from training.finetune.batches import item_rng
from training.models import Embeddings
from training.prompts import Given
from training.tables.entry import Asked
from training.terminal import bar_of


@dataclass(frozen=True)
class Window:
    """One object, as a model meets it."""

    item: Item
    image: npt.NDArray[np.uint8]
    truth: BoolMask
    embeddings: Embeddings
    encoding_s: float


@dataclass(frozen=True)
class Sample:
    """What a model answered to one prompt."""

    item: str
    values: dict[str, float]


@dataclass(frozen=True)
class Asker:
    """Asks a model for objects."""

    model: Model
    redraw: Redraw | None
    seed: int

    def answers(self, window: Window, asked: Asked) -> Iterator[tuple[Given | None, Found, BoolMask]]:
        """Give the prompts, what the model found, and the mask after all that is done to it."""
        if asked.how == "automatic":
            found = self.model.automatic(window.embeddings)
            yield None, found, found.mask
            return
        for recipe in asked.prompts:
            given = prompts.draw(item_rng(self.seed, window.item, 1), recipe, window.truth, window.item.box)
            found = self.model.decode(window.embeddings, given)
            yield given, found, self._after(window, asked, given, found)

    def _after(self, window: Window, asked: Asked, given: Given, found: Found) -> BoolMask:
        if asked.after == "OpenCV":
            return clean_mask(found.mask)
        if asked.after == "CascadePSP":
            assert self.redraw is not None  # noqa: S101  opened before anything is asked
            return self.redraw(window.image, found.mask)
        if asked.after == "recirculation":
            return self.model.decode(window.embeddings, recirculated(given, found)).mask
        return found.mask

    def samples(self, window: Window, asked: Asked) -> Iterator[Sample]:
        """Measure every answer."""
        for given, found, mask in self.answers(window, asked):
            values = {
                **measured(mask, window.truth), "size_retention": size_retention(mask, found.mask),
                "score": found.score, "seconds": window.encoding_s + found.seconds,
            }  # fmt: skip
            if given is not None and given.mask is not None:
                shown = overlap(given.mask, window.truth)
                values |= {f"prompt_{name}": value for name, value in shown.items()}
            yield Sample(window.item.id, values)


class Ledger:
    """The samples of one model and one question, in a file.

    Parameters
    ----------
    file : Path
        Made where it does not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.samples: dict[str, list[Sample]] = {}
        whole = 0
        for line in file.read_bytes().splitlines(keepends=True) if file.exists() else ():
            try:
                content = json.loads(line)
            except ValueError:  # cut off in the middle
                break
            item = str(content["item"])
            self.samples[item] = [Sample(item, values) for values in content["samples"]]
            whole += len(line)
        if file.exists():
            os.truncate(file, whole)

    def add(self, item: Item, samples: Sequence[Sample]) -> None:
        """Note the samples of an object."""
        self.samples[item.id] = list(samples)
        with telling_of_full_disks(str(self._file)), self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"item": item.id, "samples": [each.values for each in samples]}) + "\n")


def ledger_of(folder: Path, model_sha256: str, asked: Asked, dataset: Dataset, seed: int, redraw: str) -> Ledger:
    """Open the ledger of a model and a question; other weights, data, prompts or seed have another one."""
    what: list[Any] = [model_sha256, asdict(asked), dataset.sha256, seed, redraw if asked.after == "CascadePSP" else ""]
    folder.mkdir(parents=True, exist_ok=True)
    return Ledger(folder / f"{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}.jsonl")


def measure(
    asker: Asker, items: Sequence[Item], asked: Sequence[tuple[Asked, Ledger]], window_of: Callable[[Item], Window]
) -> None:
    """Ask a model everything about every object that its ledgers do not hold yet."""
    waiting = [item for item in items if any(item.id not in ledger.samples for _, ledger in asked)]
    columns = (TextColumn("Asking {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar_of(*columns) as bar:
        task = bar.add_task(asker.model.name, total=len(items), completed=len(items) - len(waiting))
        for item in waiting:
            window = window_of(item)
            for each, ledger in asked:
                if item.id not in ledger.samples:
                    ledger.add(item, list(asker.samples(window, each)))
            bar.advance(task)
