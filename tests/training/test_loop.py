"""The loop of every training: when it ends, what a step is, and that it goes on where it was stopped or killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal
from unittest.mock import Mock, patch

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.loop import Loop, Pace, State, Stopwatch
from training.loop.curves import Curves
from training.start import Machine

CPU = Machine(torch.device("cpu"), mixed=False)
BATCHES = 6


class Line:
    """Learns y = 2 x from four numbers a batch."""

    def __init__(self, *, stops_at: int = -1) -> None:
        torch.manual_seed(1)
        self.network: nn.Module = nn.Linear(1, 1)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.1)
        self.seen: list[tuple[int, int]] = []
        self.steps: list[int] = []
        self.kept: list[bool] = []
        self._stops_at, self._weighed = stops_at, 0

    def __len__(self) -> int:
        return BATCHES

    def learnt(self) -> dict[str, Tensor]:
        return dict(self.network.named_parameters())

    def batches(self, epoch: int, first: int) -> Iterator[Tensor]:
        for number in range(first, BATCHES):
            self.seen.append((epoch, number))
            yield torch.from_numpy(np.random.default_rng([epoch, number]).normal(size=(4, 1))).float()

    def loss(self, batch: Tensor) -> Tensor:
        self._weighed += 1
        if self._weighed == self._stops_at:
            raise KeyboardInterrupt
        return ((self.network(batch) - 2 * batch) ** 2).mean()

    def stepped(self, steps: int) -> None:
        self.steps.append(steps)

    def validate(self) -> dict[str, float]:
        with torch.no_grad():
            error = float((self.network(torch.ones(1, 1)) - 2).abs())
        return {"iou": 1 - error, "validation loss": error}

    def keep(self, *, best: bool) -> None:
        self.kept.append(best)


def ran(folder: Path, task: Line, pace: Pace) -> State:
    state = State(folder)
    folder.mkdir(exist_ok=True)
    Loop(task, pace, state, CPU, Curves(folder)).run()
    return state


def pace(**changed: float) -> Pace:
    return Pace(**{"learning_rate": 0.1, "epochs": 3, "steps": 3 * BATCHES, **changed})  # type: ignore[arg-type]


def test_a_run_learns_and_keeps_its_curve(tmp_path: Path) -> None:
    task = Line()
    progress = ran(tmp_path, task, pace()).progress
    assert [point["epoch"] for point in progress.curve] == [0, 1, 2, 3]
    assert progress.curve[-1]["iou"] > progress.curve[0]["iou"]
    assert progress.steps == 3 * BATCHES
    assert task.steps[-1] == progress.steps
    assert task.kept[progress.best_epoch]


class Torn(Line):
    """Its IoU says that the first epoch was the best, its loss that the second was."""

    def validate(self) -> dict[str, float]:
        looks = len(self.kept)  # the first one is of the starting weights
        return {"iou": [0.1, 0.9, 0.5, 0.4][looks], "validation loss": [0.9, 0.5, 0.2, 0.3][looks]}


@pytest.mark.parametrize(("best_by", "epoch"), [("iou", 1), ("loss", 2)])
def test_the_best_epoch_is_that_of_the_highest_iou_or_of_the_least_loss(
    best_by: Literal["iou", "loss"], epoch: int, tmp_path: Path
) -> None:
    progress = ran(tmp_path, Torn(), replace(pace(), best_by=best_by)).progress
    assert progress.best_epoch == epoch
    assert progress.best_iou == [0.1, 0.9, 0.5][epoch]


def test_stopped_within_an_accumulated_step_and_resumed_is_the_same_run(tmp_path: Path) -> None:
    through = Line()
    ran(tmp_path / "through", through, pace(accumulate=4))
    stopped = Line(stops_at=9)  # the third batch of a step in the second epoch
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path / "stopped", stopped, pace(accumulate=4))
    resumed = Line()
    state = ran(tmp_path / "stopped", resumed, pace(accumulate=4))
    assert resumed.seen[0] == (1, 0)
    assert state.progress.steps == 6
    for ours, theirs in zip(resumed.network.parameters(), through.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("minutes", [0.0, 1e-9])
def test_stopped_within_a_validation_it_measures_that_epoch_when_it_goes_on(tmp_path: Path, minutes: float) -> None:
    task, state, bounds = Line(), State(tmp_path), pace(epochs=1, minutes=minutes)
    stopped = Mock(side_effect=[task.validate(), KeyboardInterrupt])
    with patch.object(task, "validate", stopped), pytest.raises(KeyboardInterrupt):
        Loop(task, bounds, state, CPU, Curves(tmp_path)).run()
    assert state.progress.epoch == 0
    again = State(tmp_path)
    Loop(Line(), bounds, again, CPU, Curves(tmp_path)).run()
    assert [point["epoch"] for point in again.progress.curve] == [0, 1]
    assert np.isfinite(again.progress.curve[1]["loss"])
    assert again.progress.best_epoch == 1


def test_accumulated_gradients_are_those_of_one_large_batch(tmp_path: Path) -> None:
    apart, together = Line(), Line()
    ran(tmp_path / "apart", apart, pace(accumulate=BATCHES, epochs=1, clip=1e9))
    batch = torch.cat(list(Line().batches(0, 0)))
    together.optimizer.zero_grad()
    together.loss(batch).backward()  # type: ignore[no-untyped-call]
    together.optimizer.step()
    for ours, theirs in zip(apart.network.parameters(), together.network.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_time_box_ends_a_run_with_a_validation(tmp_path: Path) -> None:
    task = Line()
    progress = ran(tmp_path, task, pace(epochs=10**6, steps=10**7, minutes=1e-9)).progress
    assert progress.steps == 1
    assert [point["epoch"] for point in progress.curve] == [0, 1]
    again = Line()
    ran(tmp_path, again, pace(epochs=10**6, steps=10**7, minutes=1e-9))  # its time is over
    assert again.seen == []


def test_it_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    progress = ran(tmp_path, Line(), pace(learning_rate=0.0, epochs=50, patience=2)).progress
    assert progress.best_epoch == 0
    assert progress.epoch == 2


def test_the_rate_rises_stays_and_falls() -> None:
    found = pace(steps=100, warm_up=10, fall=0.3)
    rates = [found.rate(step, 0.0) for step in range(101)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[10] == rates[70] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(rates[71:]))
    assert rates[100] == pytest.approx(0.002)
    by_clock = pace(steps=10**6, fall=0.3, minutes=10)
    assert by_clock.rate(5, 599.0) < 0.1 * by_clock.rate(5, 60.0)


def test_a_stopwatch_tells_where_the_time_goes(tmp_path: Path) -> None:
    watch, state = Stopwatch(torch.device("cpu")), State(tmp_path)
    Loop(Line(), pace(epochs=1), state, CPU, Curves(tmp_path), watch).run()
    assert set(watch.seconds) == {"wait for a batch", "loss", "gradients", "optimizer", "validation"}
    assert watch.steps == state.progress.steps == BATCHES
    assert "ms a step" in watch.told()
    again = Stopwatch(torch.device("cpu"))
    Loop(Line(), pace(epochs=2), State(tmp_path), CPU, Curves(tmp_path), again).run()
    assert again.steps == BATCHES  # those before it went on are not its own
