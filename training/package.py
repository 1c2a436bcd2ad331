"""A package: a checkpoint that the service loads, and a card that says what it is.

``NAME.pt`` and ``NAME.json`` belong together: the service and ``python -m app weights verify`` read the config from the
card and check the digest; ``README.md`` tells people the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.errors import StartupError
from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.weights.checks import file_sha256
from training.errors import BrokenRun, telling_of_full_disks
from training.evaluation.evaluate import MEAN_OF_DATASETS
from training.finetune.run import BEST
from training.mask_prompts import CARD_MEMBER, MaskPrompts, read_mask_prompts
from training.models.architecture import architecture_of
from training.models.opening import RECORD

METHOD = (
    "Vanmechelen, T. (2025). Rapid Cytomine: foundation models for interactive annotation in computational pathology."
    " Master's thesis, University of Liège. http://hdl.handle.net/2268.2/23364"
)
"""Whose method the fine-tuning follows."""
_SHOWN_PROMPTS = ("exact box", "box", "loosened box", "loosened box, 1 point (+)")


@dataclass(frozen=True, slots=True)
class About:
    """What only people know of a model."""

    name: str
    licence: str
    description: str = ""


def package(
    run: Path, metrics: Path | None, about: About, folder: Path, measured: Mapping[str, Any] | None = None
) -> Path:
    """Put a run's best checkpoint into a folder, with its card.

    Parameters
    ----------
    run : Path
        A run's folder.
    metrics : Path, optional
        ``metrics.json`` of an evaluation of that checkpoint.
    measured : mapping, optional
        Further members of the card, such as the judgement of whoever packages.

    Returns
    -------
    Path
        The checkpoint in its new place.

    Raises
    ------
    BrokenRun
        The run is not finished, trained a model that the service does not run, its checkpoint does not load, or the
        metrics are those of another.
    NoSpace
        The disk is full.
    """
    record, source = _record(run), run / BEST
    config = str(record["origin"]["config"])
    architecture = architecture_of(config)
    if architecture.is_sam1 or architecture.encoder:
        raise BrokenRun(f"{run} trained a {config}, and the service runs SAM 2.1 alone: there is nothing to package.")
    try:
        load_checkpoint(source, config)
        sha256 = file_sha256(source)
    except StartupError as error:
        raise BrokenRun(error.detail) from error
    card = {
        "name": about.name,
        "licence": about.licence,
        "description": about.description,
        "config": config,
        "sha256": sha256,
        "size_bytes": source.stat().st_size,
        "origin": record["origin"],
        "recipe": record["recipe"],
        "epochs": record["epochs"],
        "best_epoch": record["best_epoch"],
        "validation_iou": {"before": record["curve"][0]["iou"], "best": record["best_validation_iou"]},
        CARD_MEMBER: _mask_prompts(source).on_a_card(),
        "metrics": _metrics(metrics, sha256),
        "method": METHOD,
        **_judgement(metrics),
        **(measured or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{about.name}.pt"
    with telling_of_full_disks(str(target)):
        part = target.with_suffix(".part")
        shutil.copyfile(source, part)
        part.replace(target)
        target.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(model_card(card), encoding="utf-8")
    return target


def _mask_prompts(checkpoint: Path) -> MaskPrompts:
    """Read from a run's checkpoint how mask prompts enter, and whether they were ever learned."""
    content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    try:
        return read_mask_prompts(content.get(CARD_MEMBER))
    except ValueError as error:
        raise BrokenRun(f"{checkpoint} is damaged: {error}.") from error


def _record(run: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((run / RECORD).read_text(encoding="utf-8"))
        record["origin"]["config"], record["curve"][0]["iou"], record["best_validation_iou"]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BrokenRun(
            f"{run} has no finished epoch of a training: train with `python -m training train --out {run}` first."
        ) from error
    return record


def _metrics(file: Path | None, sha256: str) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        model = content["models"][0]
        if model["sha256"] != sha256:
            raise BrokenRun(f"{file} holds the metrics of another checkpoint ({model['sha256'][:12]}…).")
        found = content["summary"][model["name"]]
        return {
            "data_sha256": content["data"]["sha256"],
            "split": content["data"]["split"],
            "objects": content["data"]["objects"],
            "mean_iou": {
                prompt: {group: values["iou"]["mean"] for group, values in found[prompt].items() if "iou" in values}
                for prompt in _SHOWN_PROMPTS
            },
        }
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BrokenRun(f"{file} holds no metrics of an evaluation: {error}.") from error


def _judgement(file: Path | None) -> dict[str, Any]:
    """Take over which mask to take and how far to trust it, if the evaluation has fitted that."""
    content = json.loads(file.read_text(encoding="utf-8")) if file else {}
    return {"judgement": content["judgement"]} if "judgement" in content else {}


def _confidence(card: dict[str, Any]) -> str:
    """Say how far its scores can be trusted."""
    about = card.get("judgement", {}).get("measured")
    if not about:
        return f"uncalibrated. {card.get('uncalibrated', 'It has not been measured.')}"
    return f"calibrated on {about['prompts']} prompts of {about['slides']} slides, expected error {about['ece']:.3f}"


def model_card(card: dict[str, Any]) -> str:
    """Write the card for people."""
    origin, recipe, iou = card["origin"], card["recipe"], card["validation_iou"]
    learned = f"{recipe['tune']}, loss {recipe['loss']}, best after epoch {card['best_epoch']} of {card['epochs']}"
    lines = [
        f"# {card['name']}",
        "",
        card["description"] or "SAM 2.1, fine-tuned to outline objects in histology from a box and points.",
        "",
        "| | |",
        "|---|---|",
        f"| licence | {card['licence']} |",
        f"| config | `{card['config']}` |",
        f"| file | `{card['name']}.pt`, {card['size_bytes']:,} bytes, sha256 `{card['sha256']}` |",
        f"| started from | {origin['checkpoint']}, sha256 `{origin['checkpoint_sha256']}` |",
        f"| data | {origin['dataset']}, sha256 `{origin['dataset_sha256']}` |",
        f"| objects | {', '.join(f'{count} {split}' for split, count in origin['items'].items())}; split by slide |",
        f"| learned | {learned} |",
        f"| validation IoU | {iou['before']:.3f} before, {iou['best']:.3f} after |",
        f"| confidence | {_confidence(card)} |",
        "",
        "## Use",
        "",
        f"`REFINE_SEGMENTER__CHECKPOINT={card['name']}.pt python -m app serve`; keep `{card['name']}.json` beside it."
        f" Check it with `python -m app weights verify {card['name']}.pt`.",
        "",
    ]
    if card["metrics"]:
        measured = card["metrics"]
        lines += [f"## Mean IoU on {measured['objects']} objects of the {measured['split']} split", ""]
        groups = [group for group in measured["mean_iou"][_SHOWN_PROMPTS[0]] if group != MEAN_OF_DATASETS]
        groups.append(MEAN_OF_DATASETS)
        lines += ["| prompt | " + " | ".join(groups) + " |", "|---|" + "---|" * len(groups)]
        for prompt, means in measured["mean_iou"].items():
            lines.append(f"| {prompt} | " + " | ".join(f"{means[group]:.3f}" for group in groups) + " |")
        lines.append("")
    lines += [f"The method follows {card['method']}", ""]
    lines += ["This is a research model: check every outline before you rely on it.", ""]
    return "\n".join(lines)
