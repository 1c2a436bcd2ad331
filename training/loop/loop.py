"""The loop itself: what is trained, with which batches and which loss, is a task's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from training.loop.curves import Curves
from training.loop.pace import Pace
from training.loop.state import Learner, State
from training.loop.stopwatch import Stopwatch
from training.start import Machine
from training.terminal import bar_of

_SAVED_EVERY_S = 120.0
_READ_EVERY = 10
"""Losses stay on the device for so many steps: reading one waits for it."""


class Task(Learner, Protocol):
    """What a loop trains."""

    @property
    def network(self) -> nn.Module:
        """What learns, and what does not."""
        ...

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        ...

    def batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Go through an epoch from its batch `first` on."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """Weigh a batch; a scalar that still knows its gradients."""
        ...

    def stepped(self, steps: int) -> None:
        """Do what is due after a step, such as averaging weights."""
        ...

    def validate(self) -> dict[str, float]:
        """Measure on what is held out; ``iou`` decides which weights are the best."""
        ...

    def keep(self, *, best: bool) -> None:
        """Write the checkpoint of an epoch that is over, and the record; the first one is of the starting weights."""
        ...


class Loop:
    """Runs a task until its pace says that it is over, or somebody stops it; the same again goes on.

    Parameters
    ----------
    state : State
        Where the run stands; saved after every epoch, every two minutes, and when it is stopped.
    watch : Stopwatch, optional
        Notes where the time goes.
    """

    def __init__(
        self,
        task: Task,
        pace: Pace,
        state: State,
        machine: Machine,
        curves: Curves,
        watch: Stopwatch | None = None,
    ) -> None:
        self._task, self._pace, self._state, self._machine = task, pace, state, machine
        self._curves, self._watch = curves, watch or Stopwatch()
        self._unread: list[Tensor] = []
        self._began = self._saved = time.monotonic()

    def run(self) -> None:
        """Train, or go on.

        Raises
        ------
        BrokenRun, NoSpace
            Nothing that was done before is lost.
        """
        resumed = self._state.resume(self._task)
        self._began = time.monotonic() - self._state.progress.spent_s
        with self._machine.attention():
            if not resumed:
                self._close_epoch(0, {})
            try:
                while not self._is_over():
                    self._epoch()
                    progress = self._state.progress
                    learned = {"loss": float(np.mean(progress.losses))} if progress.losses else {}
                    self._close_epoch(progress.epoch + 1, learned)
            except KeyboardInterrupt:
                self._save()
                raise

    def _is_over(self) -> bool:
        progress, pace = self._state.progress, self._pace
        stale = 0 < pace.patience <= progress.epoch - progress.best_epoch
        late = progress.steps > 0 and pace.is_late(progress.spent_s) and not progress.batch  # else it was not measured
        return stale or late or progress.epoch >= pace.epochs

    def _epoch(self) -> None:
        """Learn from what is left of an epoch, or until the time is up."""
        progress = self._state.progress
        batches = self._task.batches(progress.epoch, progress.batch)
        with _bar() as bar:
            row = bar.add_task("", total=len(self._task), completed=progress.batch, epoch=progress.epoch + 1, told="")
            while group := self._next(batches):
                self._step(group)
                self._after_step(len(group), lambda: self._tell(bar, row))
                if self._pace.is_late(progress.spent_s):
                    break
        self._read_losses()

    def _next(self, batches: Iterator[Any]) -> list[Any]:
        with self._watch.part("wait for a batch"):
            return list(islice(batches, self._pace.accumulate))

    def _step(self, group: list[Any]) -> None:
        """Learn from some batches at once."""
        task, progress, watch = self._task, self._state.progress, self._watch
        task.network.train()
        task.optimizer.zero_grad(set_to_none=True)
        losses: list[Tensor] = []
        for batch in group:
            with self._machine.autocast(), watch.part("loss"):
                loss = task.loss(batch)
            with watch.part("gradients"):
                torch.autograd.backward(loss / len(group))
            losses.append(loss.detach())
        rate = self._pace.rate(progress.steps, progress.spent_s)
        with watch.part("optimizer"):
            parameters = [value for part in task.optimizer.param_groups for value in part["params"]]
            nn.utils.clip_grad_norm_(parameters, self._pace.clip)
            for part in task.optimizer.param_groups:
                part["lr"] = rate * part.get("share", 1.0)
            task.optimizer.step()
            task.stepped(progress.steps + 1)
        self._unread += losses

    def _after_step(self, batches: int, tell: Callable[[], None]) -> None:
        """Note a step that is over; only whole steps count, so a run that is stopped within one repeats it."""
        progress = self._state.progress
        progress.steps, progress.batch = progress.steps + 1, progress.batch + batches
        self._watch.steps += 1
        progress.spent_s = time.monotonic() - self._began
        if len(self._unread) >= _READ_EVERY or progress.steps < _READ_EVERY:
            self._read_losses()
            tell()
        if time.monotonic() - self._saved > _SAVED_EVERY_S:
            self._save()

    def _read_losses(self) -> None:
        if self._unread:
            self._state.progress.losses += torch.stack(self._unread).tolist()
            self._unread = []

    def _save(self) -> None:
        self._read_losses()
        self._state.save(self._task)
        self._saved = time.monotonic()

    def _tell(self, bar: Progress, row: TaskID) -> None:
        progress = self._state.progress
        bar.update(row, completed=progress.batch, told=f"loss {np.mean(progress.losses[-20:]):.4f}")

    def _close_epoch(self, epoch: int, learned: dict[str, float]) -> None:
        """Validate, note how it went, and keep what it gave; stopped within the validation, it is not over yet."""
        progress = self._state.progress
        with self._machine.autocast(), self._watch.part("validation"):
            measured = self._task.validate()
        progress.epoch, progress.batch, progress.losses = epoch, 0, []
        progress.spent_s = time.monotonic() - self._began
        point = {"epoch": epoch, **learned, **measured, "minutes": round(progress.spent_s / 60, 2)}
        progress.curve.append(point)
        worth = self._pace.worth(point)
        best = worth > progress.best_worth
        if best:
            progress.best_worth, progress.best_iou, progress.best_epoch = worth, point["iou"], progress.epoch
        self._task.keep(best=best)
        self._save()
        self._curves.add(progress.curve)
        _say(point, best)


def _bar() -> Progress:
    return bar_of(
        TextColumn("Epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )


def _say(point: dict[str, float], best: bool) -> None:
    loss = f"  loss {point['loss']:.4f}" if "loss" in point else ""
    print(
        f"epoch {point['epoch']:3.0f}{loss}  validation IoU {point['iou']:.4f}{' (best)' if best else ''}", flush=True
    )
