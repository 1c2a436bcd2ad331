"""Masks: from the model's raw values to a clean shape, always in the model frame.

The steps are the thesis' (section 5.7.1): opening, closing, then only components of at least a tenth of the largest.
The sizes of the two kernels, 10 and 20 px, are only in its author's code (``src/utils/postprocess.py`` of
Cytomine-sam). They run at the model's scale, whatever the size of the object (decision 0003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.choices import Proposal, Taken
from app.geometry.windows import MODEL_SIDE_PX

BoolMask = npt.NDArray[np.bool_]
_Bytes = npt.NDArray[np.uint8]

OPENING_PX = 10
CLOSING_PX = 20
SMALLEST_COMPONENT = 0.1
"""Share of the largest component's area."""
SPUR_SHARE = 0.15
"""What is narrower than this share of the object is a spur; source: decision 0061."""
_STEP, _DEEP = 2, 16
"""An object this deep, in steps, is thick enough to be measured on every second pixel: a quarter of the work."""


@dataclass(frozen=True, slots=True)
class Mask:
    """One mask of the decoder."""

    logits: npt.NDArray[np.float32]
    """(h, w) float32: raw values over the whole window; above 0 is object."""
    score: float
    """The model's own estimate of its IoU."""


@dataclass(frozen=True, slots=True)
class Masks:
    """The decoder's masks of one object: three proposals, and the mask of the single-mask token."""

    logits: npt.NDArray[np.float32]
    """(k, h, w) float32: raw values of the proposals over the whole window; above 0 is object."""
    scores: npt.NDArray[np.float32]
    """(k,) float32: the model's own estimate of each proposal's IoU."""
    single: Mask | None = None
    """Of the single-mask token, which SAM is trained to use for unambiguous prompts; None if the model has none."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the raw values."""
        rows, columns = self.logits.shape[1:]
        return rows, columns

    @property
    def best(self) -> int:
        """Index of the proposal with the highest score."""
        return int(np.argmax(self.scores))

    def named(self, wanted: Proposal) -> Taken:
        """Return the mask to use; a model without a single-mask token uses its best proposal."""
        if wanted == "best" or (wanted == "single" and self.single is None):
            return self.best  # type: ignore[return-value]  # there are three
        return wanted

    def of(self, taken: Taken) -> Mask:
        """Return a mask by its name."""
        if taken == "single":
            assert self.single is not None  # noqa: S101  `named` never names one that is not there
            return self.single
        return Mask(self.logits[taken], float(self.scores[taken]))


def extent_of(mask: BoolMask) -> tuple[int, int, int, int]:
    """Give the box of a mask's pixels: left, top, right, bottom, the last two past the last pixel; zeros if empty."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return int(left), int(top), int(left + width), int(top + height)


def around(mask: BoolMask, margin: int) -> tuple[slice, slice]:
    """Give the rows and columns of a mask's pixels, and some on each side where there are any."""
    left, top, right, bottom = extent_of(mask)
    return slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)


def mask_in_model_frame(logits: npt.NDArray[np.float32], side_px: int = MODEL_SIDE_PX) -> BoolMask:
    """Enlarge raw values to the model frame and apply the threshold.

    Parameters
    ----------
    logits : (h, w) float32
        Raw values over the window.
    side_px : int
        Side of the frame, where a smaller one will do.

    Returns
    -------
    (side_px, side_px) bool
        True is object. Bilinear with half-pixel centres, as the package's own predictor does it.
    """
    rows, columns = logits.shape
    if side_px % rows or side_px % columns:
        return _enlarged(logits, (side_px, side_px))
    down, across = side_px // rows, side_px // columns  # then a part is enlarged as it is in the whole
    left, top, right, bottom = extent_of(logits > 0.0)
    left, top, right, bottom = max(left - 1, 0), max(top - 1, 0), min(right + 1, columns), min(bottom + 1, rows)
    mask = np.zeros((side_px, side_px), np.bool_)
    part = _enlarged(logits[top:bottom, left:right], ((right - left) * across, (bottom - top) * down))
    mask[top * down : bottom * down, left * across : right * across] = part
    return mask


def _enlarged(logits: npt.NDArray[np.float32], size: tuple[int, int]) -> BoolMask:
    return np.asarray(cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR) > 0.0)


def clean_mask(mask: BoolMask, scale: float = 1.0, shown: npt.NDArray[np.float64] | None = None) -> BoolMask:
    """Remove specks, close gaps and keep the components that matter.

    Parameters
    ----------
    mask : (h, w) bool
        Model frame.
    scale : float
        Side of the frame over `MODEL_SIDE_PX`: the kernels shrink with it.
    shown : (n, 2) float64, optional
        Points on the object as people showed it, x and y in pixels of the mask; a component that holds one matters.

    Returns
    -------
    (h, w) bool
        Empty only if `mask` is: an object too thin for the opening is not opened.
    """
    place = around(mask, CLOSING_PX)  # farther away nothing happens
    found = mask.view(np.uint8)[place]
    if not found.any():
        return mask.astype(np.bool_)  # OpenCV's labelling does not survive an array without pixels
    opened = _open(found, round(OPENING_PX * scale))
    closed = _close(opened if opened.any() else found, round(CLOSING_PX * scale))
    kept = large_components(closed)
    if shown is not None and len(shown):
        kept |= _pieces_at(closed, shown - (place[1].start, place[0].start))
    cleaned = np.zeros(mask.shape, np.bool_)
    cleaned[place] = kept
    return cleaned


def _open(mask: _Bytes, size: int) -> _Bytes:
    kernel, anchor, mirrored = _kernel(size)
    return np.asarray(cv2.dilate(cv2.erode(mask, kernel, anchor=anchor), kernel, anchor=mirrored), dtype=np.uint8)


def _close(mask: _Bytes, size: int) -> _Bytes:
    kernel, anchor, mirrored = _kernel(size)
    return np.asarray(cv2.erode(cv2.dilate(mask, kernel, anchor=anchor), kernel, anchor=mirrored), dtype=np.uint8)


def _kernel(size: int) -> tuple[_Bytes, tuple[int, int], tuple[int, int]]:
    """Give a square kernel and the anchors of its two passes.

    A kernel of even size has no middle: with the same anchor in both passes, as `cv2.morphologyEx` does it, the result
    moves by one pixel down and right. The second pass takes the mirrored anchor, and nothing moves.
    """
    first = size // 2
    second = size - 1 - first
    return np.ones((size, size), np.uint8), (first, first), (second, second)


def without_spurs(mask: BoolMask, shown: npt.NDArray[np.float64] | None = None) -> BoolMask:
    """Remove parts joined to an object by a narrow neck, such as a neighbour's edge or nuclei that touch it.

    An opening with a disc, whose radius is `SPUR_SHARE` of the largest disc's that the mask holds. The array's own
    edges remove nothing: the object may continue there.

    Parameters
    ----------
    mask : (h, w) bool
    shown : (n, 2) float64, optional
        Points on the object as people showed it, x and y in pixels of the mask; a piece that holds one is no spur.

    Returns
    -------
    (h, w) bool
        Empty only if `mask` is.
    """
    place = tuple(slice(part.start - part.start % _STEP, part.stop) for part in around(mask, _STEP))
    found = mask[place]
    if found.all() or not found.any():
        return mask.astype(np.bool_)
    step, depth = _STEP, _distances(found[::_STEP, ::_STEP])
    if depth.max() < _DEEP:
        step, depth = 1, _distances(found)
    radius = SPUR_SHARE * float(depth.max())
    core = depth > radius
    reach = radius + 0.75 * (step - 1)  # a step's pixels lie around the one that was looked at
    near = around(core, math.ceil(reach))  # farther away nothing is kept
    reached = np.zeros(core.shape, np.bool_)
    reached[near] = _distances(~core[near]) <= reach
    kept = found & reached.repeat(step, 0).repeat(step, 1)[: found.shape[0], : found.shape[1]]
    if shown is not None and len(shown):
        kept |= _pieces_at(found & ~kept, shown - (place[1].start, place[0].start))
    whole = np.zeros(mask.shape, np.bool_)
    whole[place] = kept
    return whole


def _distances(mask: BoolMask) -> npt.NDArray[np.float32]:
    """Give each pixel's distance to the nearest one outside of the mask, about; 0 there."""
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    return np.asarray(cv2.distanceTransform(pixels, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _pieces_at(mask: BoolMask | _Bytes, places: npt.NDArray[np.float64]) -> BoolMask:
    """Keep the components that hold one of some places."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    columns, rows = np.floor(places).astype(np.intp).T
    inside = (columns >= 0) & (rows >= 0) & (columns < mask.shape[1]) & (rows < mask.shape[0])
    named = np.unique(labels[rows[inside], columns[inside]])
    return np.isin(labels, named[named > 0])


def large_components(mask: _Bytes) -> BoolMask:
    """Drop every component smaller than `SMALLEST_COMPONENT` of the largest.

    Parameters
    ----------
    mask : (h, w) uint8
        1 is object.

    Returns
    -------
    (h, w) bool
        Components are 8-connected.
    """
    _, kinship = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if kinship is None or np.count_nonzero(kinship[0, :, 3] < 0) == 1:  # tenfold quicker than labels, and usual
        return mask.astype(np.bool_)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    areas[0] = 0  # the background
    keep = areas >= SMALLEST_COMPONENT * areas.max()
    keep[0] = False
    return np.asarray(keep[labels])
