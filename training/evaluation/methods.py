"""What is evaluated: models under their names, and what each does with a window."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from app.geometry.masks import BoolMask, Mask, Masks, mask_in_model_frame
from training.mask_prompts import UNTOLD, MaskPrompts
from training.model import Embeddings, PromptBatch, chosen, decode, encode, gathered
from training.prompts import Given
from training.start import Machine

GRID = 8
"""Points along each side of the window in automatic mode."""
_GRID_BATCH = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a model made of one prompt."""

    mask: BoolMask
    """(1024, 1024), before post-processing."""
    score: float
    """Its own estimate of the IoU."""
    seconds: float
    """Of decoding; the encoder's time is told apart."""


@dataclass(frozen=True)
class Model:
    """A checkpoint under evaluation.

    Parameters
    ----------
    name : str
        In the tables.
    network : SAM2Base
        On its device, in evaluation mode.
    """

    name: str
    network: nn.Module
    machine: Machine
    mask_prompts: MaskPrompts = UNTOLD

    @property
    def side(self) -> int:
        """Of the encoder's input, pixels."""
        return int(cast(Any, self.network).image_size)

    @torch.inference_mode()
    def encode(self, image: npt.NDArray[np.uint8]) -> tuple[Embeddings, float]:
        """Encode a window, (1024, 1024, 3) uint8 RGB; also gives the seconds it took."""
        started = time.perf_counter()
        with self.machine.autocast():
            found = encode(self.network, torch.from_numpy(image).permute(2, 0, 1)[None].to(self.machine.device))
        self._wait()
        return found, time.perf_counter() - started

    @torch.inference_mode()
    def decode(self, embeddings: Embeddings, given: Given) -> Found:
        """Decode one prompt."""
        started = time.perf_counter()
        with self.machine.autocast():
            logits, scores = decode(self.network, embeddings, self._gathered([given]))
        kept, score = chosen(logits, scores)
        mask = mask_in_model_frame(kept[0].float().cpu().numpy())
        return Found(mask, float(score[0]), time.perf_counter() - started)

    @torch.inference_mode()
    def masks(self, embeddings: Embeddings, given: Given) -> Masks:
        """Decode one prompt into all that the service sees of it."""
        with self.machine.autocast():
            logits, scores = decode(self.network, embeddings, self._gathered([given]))
        values, told = logits[0].float().cpu().numpy(), scores[0].float().cpu().numpy()
        return Masks(values[1:], told[1:], Mask(values[0], float(told[0])))

    @torch.inference_mode()
    def automatic(self, embeddings: Embeddings) -> Found:
        """Prompt with a grid of points and keep the mask that the model trusts most; source: thesis, section 4.5."""
        started = time.perf_counter()
        places = (np.arange(GRID) + 0.5) * 1024 / GRID
        grid = [_at(x, y) for y in places for x in places]
        best: tuple[float, npt.NDArray[np.float32]] | None = None
        for start in range(0, len(grid), _GRID_BATCH):
            some = grid[start : start + _GRID_BATCH]
            with self.machine.autocast():
                prompts = self._gathered(some)
                kept, scores = chosen(*decode(self.network, embeddings.repeated(len(some)), prompts))
            top = int(scores.argmax())
            if best is None or float(scores[top]) > best[0]:
                best = float(scores[top]), kept[top].float().cpu().numpy()
        assert best is not None  # noqa: S101  the grid is never empty
        return Found(mask_in_model_frame(best[1]), best[0], time.perf_counter() - started)

    def _gathered(self, given: Sequence[Given]) -> PromptBatch:
        return gathered(given, self.side, self.mask_prompts).to(self.machine.device)

    def _wait(self) -> None:
        if self.machine.device.type == "cuda":
            torch.cuda.synchronize(self.machine.device)


def _at(x: float, y: float) -> Given:
    return Given(None, np.array([[x, y]]), np.array([1], np.int32), None)


def recirculated(given: Given, first: Found) -> Given:
    """Give the first mask back as a prompt, beside the others; source: thesis, section 5.7.3."""
    return Given(given.box, given.points, given.labels, first.mask)
