"""What is evaluated: models under their names, and what each does with a window."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.geometry.automatic import Rules, find_automatically, grid
from app.geometry.masks import BoolMask, Mask, Masks, mask_in_model_frame
from app.geometry.prompts import Prompts
from app.geometry.windows import MODEL_SIDE_PX
from training.models import Embeddings, Promptable, chosen, gathered
from training.prompts import Given
from training.start import Machine

GRID = 16
"""Points along each side of the window in automatic mode; source: ``src/evaluate.py`` of the author's HistoSAM."""
_LEAST_SCORE = {"absolute": 0.8, "squared": 0.88}
_LEAST_STABILITY, _SHIFT, _MOST_OVERLAP = 0.95, 1.0, 0.7
"""The defaults of SAM 2's and of SAM's own generators of masks, which the author kept. They let a mask of the whole
window pass, as figure 4.5 shows."""
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
    promptable : Promptable
        On its device, in evaluation mode.
    """

    name: str
    promptable: Promptable
    machine: Machine

    @property
    def side(self) -> int:
        """Of the encoder's input, pixels."""
        return self.promptable.side

    @torch.inference_mode()
    def encode(self, image: npt.NDArray[np.uint8]) -> tuple[Embeddings, float]:
        """Encode a window, (1024, 1024, 3) uint8 RGB; also gives the seconds it took."""
        started = time.perf_counter()
        with self.machine.autocast():
            pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(self.machine.device)
            found = self.promptable.prepare(self.promptable.encode(pixels))
        self._wait()
        return found, time.perf_counter() - started

    @torch.inference_mode()
    def decode(self, embeddings: Embeddings, given: Given) -> Found:
        """Decode one prompt."""
        started = time.perf_counter()
        with self.machine.autocast():
            logits, scores = self._decode(embeddings, [given])
        kept, score = chosen(logits, scores)
        mask = mask_in_model_frame(kept[0].float().cpu().numpy())
        return Found(mask, float(score[0]), time.perf_counter() - started)

    @torch.inference_mode()
    def masks(self, embeddings: Embeddings, given: Given) -> Masks:
        """Decode one prompt into all that the service sees of it."""
        with self.machine.autocast():
            logits, scores = self._decode(embeddings, [given])
        values, told = logits[0].float().cpu().numpy(), scores[0].float().cpu().numpy()
        return Masks(values[1:], told[1:], Mask(values[0], float(told[0])))

    def automatic(self, embeddings: Embeddings) -> Found:
        """Prompt with a grid of points and keep the mask that the model trusts most; source: thesis, section 4.5.

        An empty mask where none passes the rules, as in the author's code.
        """
        started = time.perf_counter()
        best = next(iter(self.everything(embeddings)), None)
        mask = np.zeros((MODEL_SIDE_PX, MODEL_SIDE_PX), np.bool_) if best is None else best.mask
        return Found(mask, 0.0 if best is None else best.score, time.perf_counter() - started)

    def everything(self, embeddings: Embeddings) -> list[Found]:
        """Give every mask of automatic mode, the one that the model trusts most first."""
        started = time.perf_counter()
        places = grid(GRID, (MODEL_SIDE_PX, MODEL_SIDE_PX))
        rules = Rules(_LEAST_SCORE[self.promptable.score_error], 0.0, _MOST_OVERLAP, 1.0)
        candidates = find_automatically(lambda some: self._each(embeddings, some), places, rules)
        ordered = sorted(candidates, key=lambda each: each.mask.score, reverse=True)
        seconds = time.perf_counter() - started
        return [Found(mask_in_model_frame(each.mask.logits), each.mask.score, seconds) for each in ordered]

    @torch.inference_mode()
    def _each(self, embeddings: Embeddings, places: Sequence[Prompts]) -> list[Masks]:
        """Decode many places of one window; a mask that is not stable is not trusted at all."""
        found = []
        for start in range(0, len(places), _GRID_BATCH):
            points = [each.points for each in places[start : start + _GRID_BATCH]]
            some = [Given(None, each, np.ones(1, np.int32), None) for each in points]
            with self.machine.autocast():
                logits, scores = self._decode(embeddings.repeated(len(some)), some)
            stable = _stability(logits[:, 1:]) >= _LEAST_STABILITY
            values, told = logits[:, 1:].float().cpu().numpy(), (scores[:, 1:] * stable).float().cpu().numpy()
            found += [Masks(each, score) for each, score in zip(values, told, strict=True)]
        return found

    def _decode(self, embeddings: Embeddings, given: Sequence[Given]) -> tuple[Tensor, Tensor]:
        return self.promptable.decode(embeddings, gathered(given, self.side).to(self.machine.device))

    def _wait(self) -> None:
        if self.machine.device.type == "cuda":
            torch.cuda.synchronize(self.machine.device)


def _stability(logits: Tensor) -> Tensor:
    """Give the IoU of the masks above a raised and a lowered threshold, (b, k); one lies in the other."""
    inner, outer = (logits > _SHIFT).sum((2, 3)), (logits > -_SHIFT).sum((2, 3))
    return inner / outer.clamp(min=1)


def recirculated(given: Given, first: Found) -> Given:
    """Give the first mask back as a prompt, beside the others; source: thesis, section 5.7.3."""
    return Given(given.box, given.points, given.labels, first.mask)
