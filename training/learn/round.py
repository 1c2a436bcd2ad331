"""A round of learning: new objects to weights, and a verdict; stopped at any moment, the same command goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.dataset import Dataset
from training.errors import telling_of_full_disks
from training.finetune.recipe import Recipe
from training.finetune.run import BEST, Origin
from training.finetune.train import fine_tune
from training.learn.gate import Verdict, judged
from training.learn.together import lesson
from training.models import open_model
from training.package import About, package
from training.start import Machine

LEARNED = "learned.json"
"""Which objects earlier rounds have learned from."""
_REFERENCE_PER_NEW = 3
_LEAST_REFERENCE = 120


@dataclass(frozen=True, slots=True)
class Start:
    """The weights at work."""

    checkpoint: Path
    config: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a round ended."""

    verdicts: list[Verdict]
    package: Path | None
    """The new checkpoint with its card; None where it may not go into service."""


def not_yet_learned(lab: Dataset, folder: Path) -> list[str]:
    """List the items that no finished round has seen: new objects, and those whose outline has changed since."""
    file = folder / LEARNED
    known = set(json.loads(file.read_text(encoding="utf-8"))["items"]) if file.exists() else set()
    return [item.id for item in lab.items if item.id not in known]


def learn(
    lab: Dataset,
    reference: Dataset,
    start: Start,
    recipe: Recipe,
    about: About,
    folder: Path,
    machine: Machine,
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Fine-tune the weights at work on what the lab has accepted, and judge them.

    Parameters
    ----------
    folder : Path
        Of all rounds; each has a folder of its own, named by what it learns from.

    Raises
    ------
    BrokenDataset, BrokenRun, NoSpace
        Nothing that was done before is lost.
    StartupError
        The weights cannot be opened.
    """
    took = lesson(lab, reference, max(_LEAST_REFERENCE, _REFERENCE_PER_NEW * len(lab.items)))
    begun = open_model(str(start.checkpoint), start.config)
    home = folder / "rounds" / f"{took.data.sha256[:12]}-{begun.sha256[:12]}"
    counts = {side: len(took.data.of(side)) for side in ("train", "validation")}
    origin = Origin(begun.name, begun.sha256, begun.config, "lab", took.data.sha256, counts)
    fine_tune(begun.model, recipe, took.data, origin, home, machine)
    models = (open_model(str(start.checkpoint), start.config).model, open_model(str(home / BEST), begun.config).model)
    new = f"new objects{', which were learned from' if took.new_is_seen else ''}"
    verdicts = [
        judged(new, lab, took.new, models, machine),
        judged("reference", reference, took.reference, models, machine),
    ]
    for verdict in verdicts:
        tell(str(verdict))
    made = package(home, None, about, home / "model") if all(each.passes for each in verdicts) else None
    _note(folder, home, lab, verdicts, made)
    return Outcome(verdicts, made)


def _note(folder: Path, home: Path, lab: Dataset, verdicts: list[Verdict], made: Path | None) -> None:
    """Remember what was learned from, so that the next round begins with what is new since."""
    noted = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "round": home.name,
        "packaged": None if made is None else made.name,
        "verdicts": [{**asdict(each), "passes": each.passes} for each in verdicts],
        "items": sorted(item.id for item in lab.items),
    }
    part = folder / f"{LEARNED}.part"
    with telling_of_full_disks(str(part)):
        part.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / LEARNED)
