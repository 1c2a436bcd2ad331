"""Engines whose encoder sees a smaller square: quicker, with other masks; operators say how much they may differ.

Source: decision 0015.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import ServiceError
from app.geometry.prompts import Prompts
from app.geometry.windows import MODEL_SIDE_PX, WindowImage
from app.segmenter.engines.choice import REFERENCE, SMALLER, EngineName, Measured, time_window
from app.usecases.ports import Claim, Segmenter

_RUNS = 4
Mask = npt.NDArray[np.bool_]


class Difference(NamedTuple):
    """How a candidate's masks differ from the reference's."""

    iou: float
    """Mean."""
    outline_px: float
    """Mean distance between outlines, pixels of a window of 1,024."""


def measure_smaller(
    load: Callable[[EngineName], Segmenter], on_cpu: bool, windows: Sequence[WindowImage], most_loss: float
) -> Iterator[Measured]:
    """Run every engine with a smaller square beside the reference, one after the other.

    Parameters
    ----------
    load : callable
        Gives a segmenter that runs on an engine.
    on_cpu : bool
        OpenVINO is for the CPU only, and what is recorded for the GPU only.
    windows : sequence of WindowImage
        On which masks are compared: tissue of the user's, best of all.
    most_loss : float
        By which the mean IoU with the reference's masks may miss 1.
    """
    with closing(load(REFERENCE)) as reference:
        masks = [_mask(reference, window) for window in windows]
        for engine in SMALLER:
            if engine.startswith("cuda" if on_cpu else "openvino"):
                yield Measured(engine, None, None, f"the model runs on a {'CPU' if on_cpu else 'GPU'}")
                continue
            try:
                with closing(load(engine)) as candidate:
                    yield _measured(engine, candidate, windows, masks, most_loss)
            except ServiceError as error:
                yield Measured(engine, None, None, error.detail)
            except Exception as error:  # as in `measure`: one that fails keeps no other from being used
                yield Measured(engine, None, None, f"it failed: {type(error).__name__}: {error}")


def _measured(
    engine: EngineName, candidate: Segmenter, windows: Sequence[WindowImage], masks: Sequence[Mask], most_loss: float
) -> Measured:
    seconds = min([time_window(candidate) for _ in range(_RUNS + 1)][1:])
    found = difference(masks, [_mask(candidate, window) for window in windows])
    refused = None if found.iou >= 1 - most_loss else f"it loses {1 - found.iou:.3f}, and {most_loss:g} is allowed"
    return Measured(engine, seconds, found.iou, refused, found.outline_px)


def _mask(segmenter: Segmenter, window: WindowImage) -> Mask:
    """Outline what lies in the middle of a window, (1024, 1024)."""
    rows, columns = window.pixels.shape[:2]
    box = np.array([[columns / 4, rows / 4], [3 * columns / 4, 3 * rows / 4]])
    found = segmenter.decode(segmenter.encode(window, Claim()), Prompts(box, np.empty((0, 2)), ()))  # type: ignore[arg-type]
    size = (MODEL_SIDE_PX, MODEL_SIDE_PX)
    return np.asarray(cv2.resize(found.logits[found.best], size, interpolation=cv2.INTER_LINEAR) > 0)


def difference(these: Sequence[Mask], those: Sequence[Mask]) -> Difference:
    """Compare masks of the same windows; where neither holds anything, they are the same."""
    pairs = list(zip(these, those, strict=True))
    ious = [float((one & other).sum() / union) if (union := (one | other).sum()) else 1.0 for one, other in pairs]
    return Difference(statistics.fmean(ious), statistics.fmean(_apart(one, other) for one, other in pairs))


def _apart(one: Mask, other: Mask) -> float:
    """Give the mean distance from outline to outline, both ways; the window's side where one of them has none."""
    borders = [_border(mask) for mask in (one, other)]
    if not all(border.any() for border in borders):
        return 0.0 if not any(border.any() for border in borders) else float(one.shape[0])
    away = [cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for border in borders]
    return float((away[1][borders[0]].mean() + away[0][borders[1]].mean()) / 2)


def _border(mask: Mask) -> Mask:
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return np.asarray(mask & (eroded == 0))


def quicker(record: Mapping[str, Any], chosen: EngineName, most_loss: float) -> EngineName:
    """Give the quickest of a record's engines that lose no more than is allowed, if it beats the chosen one."""
    measured = [each for each in record.get("measured", []) if isinstance(each, dict)]
    limit = next((each.get("encode_s") for each in measured if each.get("engine") == chosen), None)
    best = min(
        (each for each in measured if _allowed(each, most_loss)), key=lambda each: each["encode_s"], default=None
    )
    if best is None or not isinstance(limit, float) or best["encode_s"] >= limit:
        return chosen
    return next(name for name in SMALLER if name == best["engine"])


def _allowed(each: Mapping[str, Any], most_loss: float) -> bool:
    iou, seconds = each.get("iou"), each.get("encode_s")
    known = each.get("engine") in SMALLER and isinstance(iou, float) and isinstance(seconds, float)
    return bool(known and iou is not None and iou >= 1 - most_loss)
