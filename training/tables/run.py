"""Running an entry: what has to learn learns, every model is asked, and a page is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from training.dataset import Dataset, Item
from training.errors import BrokenDataset
from training.evaluation.cascade_psp import CascadePsp, open_cascade_psp
from training.evaluation.methods import Model
from training.evaluation.whole import some_of
from training.finetune.embeddings import precomputed
from training.models import Embeddings
from training.start import Machine
from training.tables.architecture import Architecture, architecture_of
from training.tables.draw import Drawing
from training.tables.entry import Arm, Entry, Line
from training.tables.facts import Facts
from training.tables.learning import EMBEDDINGS, Opened, School
from training.tables.lines import arms_of, lines_of
from training.tables.measure import Asker, Ledger, Sample, Window, ledger_of, measure
from training.tables.page import Results, write_page
from training.tables.registry import ALL
from training.tables.summing import Cells, cells, differences
from training.tables.weights import Weights

_MEASURED = "measured"


@dataclass(frozen=True)
class Job:
    """An entry, and what it is run on."""

    entry: Entry
    dataset: Dataset
    out: Path
    """Runs, embeddings and samples lie here, for all entries; each page in a folder of its own."""
    weights: Weights
    machine: Machine
    datasets: tuple[str, ...] = ()
    """Which of the dataset's parts, in the order of the thesis' columns; none: all, by name."""
    unseen: Dataset | None = None
    """What an entry that needs unseen data is measured on: all of it."""
    epochs: int | None = None
    """In place of the recipes' own."""
    batch: int | None = None
    limit: int = 150
    """Objects of each dataset that are asked for, at most; 0: all."""
    pictures: int = 3
    seed: int = 0


@dataclass
class _Run:
    """A job on its way."""

    job: Job
    data: Dataset
    """What is measured on."""
    items: list[Item]
    redraw: CascadePsp | None
    school: School
    facts: Facts
    ledgers: dict[Line, Ledger] = field(default_factory=dict)


def run(job: Job) -> Path:
    """Run an entry, or go on with it; gives its page.

    Raises
    ------
    StartupError
        Weights are missing, or a package; says how to get them.
    BrokenDataset, BrokenRun, NoSpace
        Nothing that was done before is lost.
    """
    entry, learned_from = job.entry, job.dataset.only(job.datasets)
    names = job.datasets or tuple(sorted({item.dataset for item in learned_from.items}))
    lines = lines_of(entry, names)
    data, items = _measured_on(job, learned_from)
    shown = _in_turn(items)[entry.skipped : entry.skipped + job.pictures] if entry.panels else []
    items = items if lines else shown
    data.check_files(items)
    school = School(learned_from, job.out, job.weights, job.machine, job.epochs, job.batch)
    this = _Run(job, data, items, _cascade_psp(job, lines), school, Facts(entry, job.weights))
    drawing = Drawing(entry.panels, data, shown, job.seed)
    for arm in arms_of(entry, lines):
        _ask(this, arm, [line for line in lines if line.arm == arm], drawing)
    this.facts.of_the_run(data, items, job.machine, unseen=job.unseen is not None, redraw=this.redraw)
    groups = names if data is learned_from else tuple(sorted({item.dataset for item in items}))
    samples = _samples(this, lines)
    results = Results(
        _cells(this, samples, groups), differences(samples, entry.compared_with) if entry.compared_with else (),
        drawing.rows(), _architectures(job), tuple(this.facts.lines), tuple(this.facts.warnings), (*groups, ALL),
    )  # fmt: skip
    return write_page(job.out / entry.number.replace(" ", "-"), entry, results)


def _ask(this: _Run, arm: Arm, lines: Sequence[Line], drawing: Drawing) -> None:
    """Open one model, and ask it all that lines and pictures want to know."""
    job = this.job
    opened = this.school.open(arm)
    opened.loaded.network.to(job.machine.device).eval()
    asker = Asker(Model(arm.model, opened.loaded.model, job.machine), this.redraw, job.seed)
    windows = _windows(this, opened, asker.model)
    redraw = this.redraw.sha256 if this.redraw else ""
    for line in lines:
        this.ledgers[line] = ledger_of(
            job.out / _MEASURED, opened.loaded.sha256, line.asked, this.data, job.seed, redraw
        )
    measure(asker, this.items, [(line.asked, this.ledgers[line]) for line in lines], windows)
    drawing.draw(arm, asker, windows)
    this.facts.of_a_model(arm, opened, lines)


def _windows(this: _Run, opened: Opened, model: Model) -> Callable[[Item], Window]:
    """Give the way from an object to its window: encoded once for all, unless the encoder learned or is timed."""
    job, data, device = this.job, this.data, this.job.machine.device
    timed = "seconds" in job.entry.metrics
    if opened.encoder_sha256 is None or timed:

        def encoded(item: Item) -> Window:
            image = data.image(item)
            return Window(item, image, data.mask(item), *model.encode(image))

        return encoded
    store = precomputed(model.promptable, opened.encoder_sha256, data, this.items, job.out / EMBEDDINGS, device)

    def stored(item: Item) -> Window:
        return Window(item, data.image(item), data.mask(item), _prepared(model, store.of([item], device)), 0.0)

    return stored


@torch.inference_mode()
def _prepared(model: Model, embeddings: Embeddings) -> Embeddings:
    with model.machine.autocast():
        return model.promptable.prepare(embeddings)


def _measured_on(job: Job, learned_from: Dataset) -> tuple[Dataset, list[Item]]:
    """Choose what is measured on: the test split, or all of data that nothing was trained on."""
    unseen = job.unseen if job.entry.unseen else None
    data, split = (unseen, "all") if unseen else (learned_from, "test")
    items = some_of(data.of(split), job.limit)
    if not items:
        raise BrokenDataset(f"The dataset {data.folder} has nothing in its {split} split.")
    return data, items


def _in_turn(items: Sequence[Item]) -> list[Item]:
    """Order objects so that each dataset has its turn."""
    places: dict[str, int] = {}
    turns = {item.id: places.setdefault(item.dataset, 0) for item in items}
    for item in items:
        turns[item.id] = places[item.dataset]
        places[item.dataset] += 1
    return sorted(items, key=lambda item: (turns[item.id], item.dataset))


def _cascade_psp(job: Job, lines: Sequence[Line]) -> CascadePsp | None:
    asked = [line.asked for line in lines] + [panel.asked for panel in job.entry.panels]
    if not any(each.after == "CascadePSP" for each in asked):
        return None
    folder = job.out / "cascadepsp"
    folder.mkdir(parents=True, exist_ok=True)
    return open_cascade_psp(job.weights.of_cascade_psp(str(folder)), job.machine.device)


def _samples(this: _Run, lines: Sequence[Line]) -> dict[str, list[Sample]]:
    return {line.label: [each for item in this.items for each in this.ledgers[line].samples[item.id]] for line in lines}


def _cells(this: _Run, samples: dict[str, list[Sample]], groups: Sequence[str]) -> tuple[Cells, ...]:
    by_id, entry = {item.id: item for item in this.items}, this.job.entry
    return tuple(
        cells(entry.number, label, metric, some, by_id, groups)
        for label, some in samples.items() for metric in entry.metrics
    )  # fmt: skip


def _architectures(job: Job) -> tuple[Architecture, ...]:
    return tuple(architecture_of(name, job.weights.open(name)) for name in job.entry.architectures)
