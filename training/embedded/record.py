"""What was done to make an embedded model, beside what came out; and both where a service finds them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.embedded.recipe import Recipe
from training.embedded.task import MASK_PROMPTS
from training.errors import BrokenRun, telling_of_full_disks
from training.loop import State
from training.tissue import Scene

RECORD = "record.json"
_MAY_CHANGE = {"steps", "minutes"}
"""Of a recipe, where a run goes on."""


class Record:
    """What was done, beside what came out.

    Raises
    ------
    BrokenRun
        The folder holds another run.
    """

    def __init__(
        self, recipe: Recipe, state: State, real: Sequence[Scene], begin_with: str | None, folder: Path
    ) -> None:
        self._file, self._state = folder / RECORD, state
        self._is_about: dict[str, Any] = {
            "recipe": asdict(recipe),
            "began_with": begin_with or "random weights",
            "real": {
                "images": len(real), "objects": sum(len(scene.objects) for scene in real), "sha256": digest(real)
            },
        }  # fmt: skip
        if self._file.exists():
            self._check(json.loads(self._file.read_text(encoding="utf-8")))

    def _check(self, before: dict[str, Any]) -> None:
        ours, theirs = (_flat(each) for each in (self._is_about, {name: before.get(name) for name in self._is_about}))
        for name, value in ours.items():
            if value != theirs.get(name) and name not in _MAY_CHANGE:
                raise BrokenRun(
                    f"{self._file.parent} holds a run with another {name} ({theirs.get(name)}, now {value}): choose"
                    " another --out, or the same options."
                )

    def write(self) -> None:
        """Write it as it stands."""
        progress = self._state.progress
        content = {
            **self._is_about,
            "mask_prompt": MASK_PROMPTS.on_a_card(),
            "point_prompt": {
                "learned": False
            },  # one prompt in ten has points alone; nobody has measured that it is enough
            "steps": progress.steps,
            "minutes": round(progress.spent_s / 60, 2),
            "curve": progress.curve,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
            "threads": torch.get_num_threads(),
        }
        part = self._file.with_suffix(".part")
        with telling_of_full_disks(str(self._file)):
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        part.replace(self._file)


def _flat(about: dict[str, Any]) -> dict[str, Any]:
    """Give the recipe's members, and those of the others with the name of what they are in."""
    real = {f"real {name}": value for name, value in (about["real"] or {}).items()}
    return {**(about["recipe"] or {}), **real, "start": about["began_with"]}


def digest(scenes: Sequence[Scene]) -> str:
    """Give the sha256 of all pixels and labels."""
    found = hashlib.sha256()
    for scene in scenes:
        found.update(scene.image.tobytes())
        found.update(scene.labels.tobytes())
    return found.hexdigest()


def install_model(checkpoint: Path, record: dict[str, Any], target: Path) -> None:
    """Put a checkpoint where the service finds it, and its record as its card beside it."""
    content = checkpoint.read_bytes()
    card = {"name": "embedded", "config": record["recipe"]["config"], "sha256": hashlib.sha256(content).hexdigest()}
    target.write_bytes(content)
    target.with_suffix(".json").write_text(json.dumps({**card, **record}, indent=1) + "\n")
