"""The scenes of a training, drawn once and kept in a file, so that a resumed run sees the same ones."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
from rich.progress import track

from training.tissue import KINDS, Scene, draw_scene

SHARES = {"nuclei": 0.34, "glands": 0.36, "regions": 0.14, "blobs": 0.16}
"""How many of the scenes are of each kind."""


def scenes_for(folder: Path, count: int, seed: int) -> list[Scene]:
    """Draw scenes, or load them if they were drawn before."""
    file = folder / f"scenes-{seed}-{count}.pickle"
    if file.exists():
        with file.open("rb") as stream:
            return list(pickle.load(stream))  # noqa: S301  written by ourselves, below
    kinds = [kind for kind in KINDS for _ in range(round(count * SHARES[kind]))]
    scenes = [
        draw_scene(np.random.default_rng([seed, number]), kind)
        for number, kind in track(list(enumerate(kinds)), description="Drawing scenes")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        pickle.dump([scene for scene in scenes if scene.objects], stream)
    part.replace(file)
    return [scene for scene in scenes if scene.objects]


def digest(scenes: list[Scene]) -> str:
    """Give the sha256 of all pixels and labels, for the run's record."""
    found = hashlib.sha256()
    for scene in scenes:
        found.update(scene.image.tobytes())
        found.update(scene.labels.tobytes())
    return found.hexdigest()
