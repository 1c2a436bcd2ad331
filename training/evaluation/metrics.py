"""How good a mask is, and how good to edit; source: the thesis, section 3.2, unless said otherwise."""

from __future__ import annotations

import cv2
import numpy as np

from app.geometry.masks import BoolMask

BOUNDARY_TOLERANCE_PX = 10.0
"""A border counts as found within this distance in the model frame: 1 % of the window."""
POLYGON_SHARE, AUTHORS_POLYGON_SHARE = 0.01, 0.02
"""The polygon that the perimeter is compared with may leave it by this share of it: here, and in the author's code."""

FOUR = ("dice", "iou", "precision", "recall")
OVERLAP = (*FOUR, "boundary_f")
SHAPE = ("compactness", "solidity", "perimeter_smoothness", "components")
AUTHORS_SHAPE = ("first_compactness", "first_solidity", "first_perimeter_smoothness")
"""As the author's code measures them, and so what the thesis' tables 5.8 to 5.11 hold."""
LABELS = {
    "dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall", "boundary_f": "Boundary F",
    "first_compactness": "Compactness, first outline", "first_solidity": "Solidity, first outline",
    "first_perimeter_smoothness": "Perimeter smoothness, first outline",
    "compactness": "Compactness, whole mask", "solidity": "Solidity, whole mask",
    "perimeter_smoothness": "Perimeter smoothness, whole mask", "components": "Connected components",
    "size_retention": "Size retention", "seconds": "Time (s)", "score": "Predicted IoU",
}  # fmt: skip
"""What people read on reports and pages."""


def measured(found: BoolMask, truth: BoolMask) -> dict[str, float]:
    """Give every metric of `OVERLAP`, `SHAPE` and `AUTHORS_SHAPE`, (h, w) both; looks only where either mask is."""
    x, y, width, height = cv2.boundingRect((found | truth).astype(np.uint8))
    margin = int(BOUNDARY_TOLERANCE_PX) + 2
    place = np.s_[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin]
    found, truth = np.ascontiguousarray(found[place]), np.ascontiguousarray(truth[place])
    return {**overlap(found, truth), "boundary_f": boundary_f(found, truth), **shape(found), **authors_shape(found)}


def overlap(found: BoolMask, truth: BoolMask) -> dict[str, float]:
    """Compare a mask with the truth, (h, w) both.

    Returns
    -------
    dict
        ``dice``, ``iou``, ``precision``, ``recall``, each 0 to 1; an empty mask has 0 of all.
    """
    common = float(np.count_nonzero(found & truth))
    false_positive = float(np.count_nonzero(found)) - common
    false_negative = float(np.count_nonzero(truth)) - common
    return {
        "dice": _ratio(2 * common, 2 * common + false_positive + false_negative),
        "iou": _ratio(common, common + false_positive + false_negative),
        "precision": _ratio(common, common + false_positive),
        "recall": _ratio(common, common + false_negative),
    }


def boundary_f(found: BoolMask, truth: BoolMask, tolerance_px: float = BOUNDARY_TOLERANCE_PX) -> float:
    """Give the F score of the border: how much of each border lies within a tolerance of the other.

    Source: Martin, Fowlkes and Malik 2004, as used for masks by Perazzi et al. 2016.
    """
    ours, theirs = _border(found), _border(truth)
    if not ours.any() or not theirs.any():
        return 0.0
    precision = float((_distance_to(theirs)[ours] <= tolerance_px).mean())
    recall = float((_distance_to(ours)[theirs] <= tolerance_px).mean())
    return _ratio(2 * precision * recall, precision + recall)


def shape(mask: BoolMask) -> dict[str, float]:
    """Describe a mask by how easily it is edited; NaN where it is empty.

    Returns
    -------
    dict
        ``compactness``: 4 pi area / perimeter², 1 for a disc. ``solidity``: area over that of the convex hull.
        ``perimeter_smoothness``: perimeter over that of a polygon fitted around; holes and specks count to neither.
        ``components``: how many parts.
    """
    pixels = mask.astype(np.uint8)
    area = float(np.count_nonzero(mask))
    if area == 0:
        return {**dict.fromkeys(SHAPE, float("nan")), "components": 0.0}
    contours, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    perimeter = sum(cv2.arcLength(contour, True) for contour in contours)
    outer = max(contours, key=cv2.contourArea)
    polygon = cv2.approxPolyDP(outer, POLYGON_SHARE * cv2.arcLength(outer, True), True)
    hull = np.zeros_like(pixels)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(contours)), 1)
    components = cv2.connectedComponents(pixels, connectivity=8)[0] - 1
    return {
        "compactness": _ratio(4 * np.pi * area, perimeter**2),
        "solidity": _ratio(area, float(np.count_nonzero(hull))),
        "perimeter_smoothness": _ratio(cv2.arcLength(outer, True), cv2.arcLength(polygon, True)),
        "components": float(components),
    }


def authors_shape(mask: BoolMask) -> dict[str, float]:
    """Describe a mask as the author's code does: by the first outline that OpenCV finds, whatever part that is.

    `shape` describes the whole mask, which is what the text says (section 3.2). A ragged mask whose first outline is a
    speck has other values here than there; 0 where there is nothing to divide by.

    Source: ``src/utils/metrics.py`` of HistoSAM.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return dict.fromkeys(AUTHORS_SHAPE, 0.0)
    first, perimeter = contours[0], cv2.arcLength(contours[0], True)
    area, polygon = cv2.contourArea(first), cv2.approxPolyDP(first, AUTHORS_POLYGON_SHARE * perimeter, True)
    values = (
        _ratio(4 * np.pi * area, perimeter**2),
        _ratio(area, cv2.contourArea(cv2.convexHull(first))),
        _ratio(perimeter, cv2.arcLength(polygon, True)),
    )
    return dict(zip(AUTHORS_SHAPE, values, strict=True))


def size_retention(cleaned: BoolMask, raw: BoolMask) -> float:
    """Tell how much of a mask's area is left after post-processing; NaN where there was none."""
    before = np.count_nonzero(raw)
    return np.count_nonzero(cleaned) / before if before else float("nan")


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else 0.0


def _border(mask: BoolMask) -> BoolMask:
    pixels = mask.astype(np.uint8)
    return np.asarray(cv2.morphologyEx(pixels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0) & mask


def _distance_to(border: BoolMask) -> np.ndarray:
    """Give every pixel's distance to a border, to within two per cent."""
    return cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
