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
from training.learn.confidence import measured, on_a_card, told
from training.learn.gate import Verdict, judged, refusal
from training.learn.together import Lesson, lesson
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
    refused: str | None
    """Why it may not."""


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
    verdicts = [
        judged(_named(took), lab, took.new, models, machine, taught=took.new_is_seen),
        judged("reference", reference, took.reference, models, machine, taught=not reference.of("test")),
    ]
    for verdict in verdicts:
        tell(str(verdict))
    refused = refusal(verdicts)
    made = None if refused else _packaged(home, begun.config, lab, reference, took, recipe, about, machine, tell)
    _note(folder, home, lab, verdicts, made)
    return Outcome(verdicts, made, refused)


def _named(took: Lesson) -> str:
    if took.new_is_seen:
        return "new objects, all learned from"
    return "new objects kept aside, of the same slides" if took.same_slides else "new objects kept aside"


def _packaged(
    home: Path, config: str, lab: Dataset, reference: Dataset, took: Lesson, recipe: Recipe, about: About,
    machine: Machine, tell: Callable[[str], None],
) -> Path:  # fmt: skip
    """Package what passed, with a confidence that was measured on what it never saw."""
    parts = [] if took.new_is_seen else [(lab, took.new)]
    if reference.of("test"):  # the validation side has chosen the epoch
        parts.append((reference, took.reference))
    found = measured(open_model(str(home / BEST), config), parts, machine, recipe.seed)
    tell(told(found))
    return package(home, None, about, home / "model", on_a_card(found))


def _note(folder: Path, home: Path, lab: Dataset, verdicts: list[Verdict], made: Path | None) -> None:
    """Remember what was learned from, so that the next round begins with what is new since."""
    noted = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "round": home.name,
        "packaged": None if made is None else made.name,
        "verdicts": [{**asdict(each), "passes": each.passes, "proves": each.proves} for each in verdicts],
        "refused": refusal(verdicts),
        "items": sorted(item.id for item in lab.items),
    }
    part = folder / f"{LEARNED}.part"
    with telling_of_full_disks(str(part)):
        part.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / LEARNED)
