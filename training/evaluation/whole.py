"""From a dataset and checkpoints to ``metrics.json`` and ``report.html``."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training.dataset import Dataset, Item, open_dataset
from training.errors import BrokenDataset, telling_of_full_disks
from training.evaluation.baselines import BASELINES
from training.evaluation.calibrate import Judged, judged, samples
from training.evaluation.cards import judgement_on_a_card, left_out, write_card
from training.evaluation.cascade_psp import Redraw
from training.evaluation.evaluate import MEAN_OF_DATASETS, Asked, evaluate, summary
from training.evaluation.methods import Model
from training.evaluation.report import Facts, write_report
from training.evaluation.tables import mean
from training.evaluation.worst import worst_cases
from training.models import Promptable
from training.start import Machine

if TYPE_CHECKING:
    from training.models import Loaded


NEVER_LEARNED = "this checkpoint was never trained with them, so rows with masks say nothing about masks"


@dataclass(frozen=True, slots=True)
class Report:
    """Where an evaluation lies, and its sum in a line."""

    metrics: Path
    html: Path
    headline: str
    model_sha256: str
    card: Path | None = None
    """Where the calibration was written."""


def evaluate_and_report(
    data: Path,
    loaded: Sequence[Loaded],
    machine: Machine,
    split: str,
    limit: int,
    seed: int,
    out: Path,
    *,
    calibrate: bool = False,
    redraw: Redraw | None = None,
) -> Report:
    """Evaluate checkpoints, the first one thoroughly, and write what was found.

    Parameters
    ----------
    calibrate : bool
        Also fit which masks of the first one to take and how far to trust them, and write that into its card. Where the
        card names images that were left out of its training, and some are in the data, only those count.
    redraw : Redraw, optional
        CascadePSP, to redraw masks of the first one beside the usual post-processing.

    Raises
    ------
    BrokenDataset, NoSpace
        What was evaluated before stays.
    WeightsCorrupt
        The card that is to be written is that of another checkpoint.
    """
    dataset = open_dataset(data)
    everything = dataset.of(split)
    if calibrate:
        everything = unseen(everything, left_out(loaded[0].path))
    items = some_of(everything, limit)
    if not items:
        raise BrokenDataset(f"The dataset {data} has nothing in its {split} split.")
    dataset.check_files(items)
    names = _distinct([each.name for each in loaded])
    models = tuple(Model(name, _ready(each.model, machine), machine) for name, each in zip(names, loaded, strict=True))
    fitted = judged(samples(dataset, items, models[0], seed)) if calibrate else None
    rows = evaluate(dataset, items, Asked(models, tuple(each.sha256 for each in loaded), seed, redraw), out)
    found = summary(rows, items)
    cases = worst_cases(dataset, items, rows, models[0], seed)
    facts = _facts(dataset, items, everything, loaded, machine, split, seed, redraw)
    metrics, html = out / "metrics.json", out / "report.html"
    content = {
        "models": [
            {"name": name, "sha256": each.sha256, "config": each.config}
            for name, each in zip(names, loaded, strict=True)
        ],
        "data": {
            "folder": data.name, "sha256": dataset.sha256, "split": split, "objects": len(items), "seed": seed,
        },
        **({"cascadepsp": redraw.sha256} if redraw else {}),
        "machine": {"device": str(machine.device), "mixed_precision": machine.mixed, "torch": torch.__version__},
        "by_object_type": _by_object_type(found[names[0]]),
        **({"judgement": judgement_on_a_card(fitted)} if fitted else {}),
        "summary": found,
        "worst": [{"item": case.item, "iou": case.iou, "score": case.score} for case in cases],
    }  # fmt: skip
    with telling_of_full_disks(str(out)):
        metrics.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        write_report(html, facts, found, rows, items, cases, names, list(BASELINES), fitted)
    card = write_card(loaded[0], fitted) if fitted else None
    values = {
        prompt: mean(found, names[0], prompt, MEAN_OF_DATASETS, "iou") for prompt in ("exact box", "loosened box")
    }
    plain = {prompt: mean(found, "plain box", prompt, MEAN_OF_DATASETS, "iou") for prompt in values}
    headline = ", ".join(f"{prompt} {plain[prompt]:.3f} -> {value:.3f}" for prompt, value in values.items())
    headline = f"mean IoU, plain -> {names[0]}: {headline}" + (_told(fitted) if fitted else "")
    return Report(metrics, html, headline, loaded[0].sha256, card)


def unseen(items: list[Item], left_out: frozenset[str]) -> list[Item]:
    """Keep to the images that were left out of a training, if some of them are here; else all count."""
    return [item for item in items if item.slide.rpartition("/")[2] in left_out] or items


def _ready(model: Promptable, machine: Machine) -> Promptable:
    model.network.to(machine.device).eval()
    return model


def _told(fitted: Judged) -> str:
    return f"; expected calibration error {fitted.error:.3f} on {fitted.slides} slides"


def _by_object_type(found: dict[str, Any]) -> dict[str, Any]:
    """Turn prompt and object type around, for those who look for one kind of object."""
    kinds = dict.fromkeys(kind for groups in found.values() for kind in groups)
    return {kind: {prompt: groups[kind] for prompt, groups in found.items() if kind in groups} for kind in kinds}


def some_of(items: list[Item], limit: int) -> list[Item]:
    """Take at most so many of each dataset, the same ones every time; 0 takes all."""
    if not limit:
        return items
    kept: list[Item] = []
    for dataset in sorted({item.dataset for item in items}):
        kept += sorted((item for item in items if item.dataset == dataset), key=lambda item: item.sha256)[:limit]
    return kept


def _distinct(names: list[str]) -> list[str]:
    """Tell checkpoints of one name apart."""
    return [name if names.index(name) == place else f"{name} ({place + 1})" for place, name in enumerate(names)]


def _facts(
    dataset: Dataset,
    items: Sequence[Item],
    everything: Sequence[Item],
    loaded: Sequence[Loaded],
    machine: Machine,
    split: str,
    seed: int,
    redraw: Redraw | None,
) -> Facts:
    taken, there = (Counter(item.dataset for item in some) for some in (items, everything))
    lines = (
        ("model", f"{loaded[0].name}, config {loaded[0].config}, sha256 {loaded[0].sha256}"),
        *((("beside", f"{each.name}, config {each.config}, sha256 {each.sha256}")) for each in loaded[1:]),
        *((("CascadePSP", redraw.sha256),) if redraw else ()),
        ("data", f"{dataset.folder.name}, {split} split, sha256 {dataset.sha256}"),
        *((("mask prompts", NEVER_LEARNED),) if loaded[0].mask_prompts.learned is False else ()),
        ("objects", ", ".join(f"{taken[name]} of {there[name]} of {name}" for name in sorted(taken))),
        ("slides", str(len({item.slide for item in items}))),
        ("computed", f"on {_device(machine)}, torch {torch.__version__}, seed {seed}"),
    )
    return Facts(f"How well {loaded[0].name} outlines", lines)


def _device(machine: Machine) -> str:
    name = torch.cuda.get_device_name(machine.device) if machine.device.type == "cuda" else platform.machine()
    return f"{name}, {'bfloat16' if machine.mixed else 'float32'}"
