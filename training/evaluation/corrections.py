"""Prompts of people who correct what they see: a box, then clicks in the middle of the largest error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d

from app.geometry.masks import BoolMask, Masks
from app.geometry.windows import MODEL_SIDE_PX
from training.clicks import NO_CLICK, SEARCH_SIDE, click_on_error
from training.evaluation.seen import Seen
from training.prompts import Given

CLICKS = 3
"""Of each hand, at most."""


def corrections(
    boxed: Given,
    alone: Masks,
    seen: Seen,
    decode: Callable[[Given], Masks],
    outlined: Callable[[Masks, Given], BoolMask],
    rng: np.random.Generator,
) -> Iterator[tuple[Given, Masks]]:
    """Correct an outline by one click after the other, as who adds and removes, and as who only ever adds.

    Parameters
    ----------
    boxed : Given
        The box alone.
    alone : Masks
        What the decoder makes of it.
    decode : callable
        Asks the decoder.
    outlined : callable
        Gives the mask that is shown, (1024, 1024).
    """
    for removes in (True, False):
        given, masks = boxed, alone
        for _ in range(CLICKS):
            shown = outlined(masks, given)
            wanted = seen.truth if removes else seen.truth | shown
            values, truth = (torch.from_numpy(np.asarray(each, np.float32))[None] for each in (shown, wanted))
            shares = adaptive_avg_pool2d(values, SEARCH_SIDE)  # of cells, as the truth's are taken
            place, label = click_on_error(shares - 0.5, truth[None], MODEL_SIDE_PX, rng, middle=1.0)
            if int(label) == NO_CLICK:
                break
            points = np.concatenate([given.points.reshape(-1, 2), place.numpy().astype(np.float64)])
            given = replace(given, points=points, labels=np.concatenate([given.labels, label.numpy()]))
            masks = decode(given)
            yield given, masks
