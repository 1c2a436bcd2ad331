"""The training of the embedded model as a folder: in the loop that every training runs in, resumable and time-boxed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from training.embedded.model import fresh_model
from training.embedded.pool import Pool
from training.embedded.recipe import Recipe
from training.embedded.record import Record
from training.embedded.scenes import SIDE_PX, DrawnScenes
from training.embedded.task import Embedded
from training.loop import Loop, Pace, State, Stopwatch, write_atomically
from training.loop.curves import Curves
from training.models import open_model
from training.start import Machine
from training.tissue import Scene

MODEL = "model.pt"
_HELD_OUT_SEED = 1_000_003
_MOST_HELD_OUT = 24
"""Drawn scenes that are only looked at, at most."""


def train(
    recipe: Recipe,
    folder: Path,
    where: Machine,
    *,
    real: Sequence[Scene] = (),
    unseen: Sequence[Scene] = (),
    begin_with: str | None = None,
    profile: bool = False,
) -> Path:
    """Train, or go on training, and write the averaged model.

    Parameters
    ----------
    folder : Path
        Holds state, record and result; a second call with the same folder goes on.
    real : sequence of Scene
        Mixed in.
    unseen : sequence of Scene
        Real ones that are only looked at, beside drawn ones.
    begin_with : str, optional
        A checkpoint to go on from, as `training.models.open_model` takes it; else random weights.
    profile : bool
        Say at the end, or when it is stopped, where a step's time went; the device cannot run ahead meanwhile.

    Returns
    -------
    Path
        The checkpoint, float16, as the service loads it.

    Raises
    ------
    BrokenRun, NoSpace
        Nothing that was done before is lost.
    """
    torch.manual_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    state, watch = State(folder), Stopwatch(where.device if profile else None)
    record = Record(recipe, state, real, begin_with, folder)
    network = fresh_model(recipe.config) if begin_with is None else _begun(begin_with)
    side = max([SIDE_PX, *(max(scene.labels.shape) for scene in real)])
    pool = Pool(recipe.scenes + len(real), side, where.device)
    with DrawnScenes(recipe.seed) as scenes:
        unseen_pools = _held_out(recipe, unseen, where.device)
        task = Embedded(recipe, network.to(where.device), pool, scenes, real, unseen_pools, watch)

        def kept() -> None:
            write_checkpoint(task.averaged, folder / MODEL)
            record.write()

        task.kept = kept
        try:
            Loop(task, _pace(recipe), state, where, Curves(folder), watch).run()
        finally:
            kept()
            if profile:
                print(watch.told(), flush=True)
    return folder / MODEL


def _pace(recipe: Recipe) -> Pace:
    return Pace(
        recipe.learning_rate,
        epochs=-(-recipe.steps * recipe.accumulate // recipe.epoch),
        steps=recipe.steps,
        minutes=recipe.minutes,
        accumulate=recipe.accumulate,
        warm_up=recipe.warm_up_steps,
        fall=recipe.decay,
    )


def _held_out(recipe: Recipe, unseen: Sequence[Scene], device: torch.device) -> dict[str, Pool]:
    with DrawnScenes(recipe.seed + _HELD_OUT_SEED) as scenes:
        found = {"drawn": scenes.take(list(range(min(_MOST_HELD_OUT, recipe.scenes))))}
    if unseen:
        found["real"] = list(unseen)
    pools = {}
    for name, some in found.items():
        pools[name] = Pool(len(some), max(max(scene.labels.shape) for scene in some), device)
        for place, scene in enumerate(some):
            pools[name].put(place, scene)
    return pools


def _begun(checkpoint: str) -> nn.Module:
    network: nn.Module = cast(Any, open_model(checkpoint).model.network)
    return cast(nn.Module, cast(Any, network.float()).to(memory_format=torch.channels_last))


def write_checkpoint(network: nn.Module, file: Path) -> Path:
    """Write a model as the service loads it, in half precision."""
    half = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    write_atomically({"model": half}, file)
    return file
