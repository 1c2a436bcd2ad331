"""Rings: closed curves around a mask, made smooth and light; always in the model frame.

A ring is (n, 2) float64, x then y, continuous model pixels; its last point is not its first one again.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from shapely import Polygon

from app.geometry.masks import BoolMask, extent_of

Ring = npt.NDArray[np.float64]

SAMPLES_PX = 4.0
"""Distance between the points of a smoothed ring, at most."""
_LEAST_SAMPLES = 32
_SHARE_OF_LENGTH = 1 / 40
"""Of a short ring the Gaussian is no wider than this share of its length: it would shrink a small part."""
_MOST_MOVED = 0.03
"""A ring is smoothed less if more than this share of its area would move."""
_HALVINGS = 4
_LEAST_EXTENT_PX = 4.0
"""A smaller ring is drawn as its box."""
_TOLERANCE_OF_LENGTH = 1 / 400
"""Of a short ring the curve lies no farther from its corners' lines than this share of its length."""
_LEAST_CORNERS = 3
_SHELLS_TURN = -1
"""Sign of a shell's area, as OpenCV turns it."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a mask: where it ends, and what it surrounds."""

    shell: Ring
    holes: tuple[Ring, ...]


def components_of(mask: BoolMask, corner: tuple[int, int] = (0, 0), *, holes: bool) -> list[Component]:
    """List the 8-connected components of a mask with their borders, through the centres of their outermost pixels.

    Parameters
    ----------
    mask : (h, w) bool
        True is object.
    corner : (x, y)
        Where the mask's upper left corner lies in the frame of the result.
    holes : bool
        Whether holes count. If not, what lies in them belongs to the component around.

    Returns
    -------
    list of Component
        Largest first. Shells turn the other way round than holes, so that the object lies on one hand of both.
    """
    mode = cv2.RETR_CCOMP if holes else cv2.RETR_EXTERNAL
    left, top, right, bottom = extent_of(mask)
    part = mask[top:bottom, left:right].view(np.uint8)  # nothing else holds a border
    rings, kinship = cv2.findContours(part, mode, cv2.CHAIN_APPROX_NONE, offset=(corner[0] + left, corner[1] + top))
    if not rings:
        return []
    points = [ring[:, 0].astype(np.float64) + 0.5 for ring in rings]
    parents = kinship[0, :, 3]
    found = [
        Component(points[at], tuple(points[hole] for hole in np.flatnonzero(parents == at)))
        for at in np.flatnonzero(parents < 0)
    ]
    return sorted(found, key=lambda component: abs(signed_area(component.shell)), reverse=True)


def smoothed(ring: Ring, width_px: float, step_px: float = SAMPLES_PX) -> Ring:
    """Draw the curve that runs half a pixel outside of a border through pixel centres, without its stairs.

    The points are averaged along the ring by a Gaussian, so that thin objects keep both their sides, and what the
    average moved inwards is given back (2 G - G², the "twicing" of Tukey), so that round ones keep their size.

    Parameters
    ----------
    ring : (n, 2) float64
        From `components_of`.
    width_px : float
        Standard deviation of the Gaussian; less where it would move more than some per cent of the area.
    step_px : float
        Distance between the points of the curve, at most.

    Returns
    -------
    (m, 2) float64
        Evenly spaced, at most `step_px` apart.
    """
    low, high = ring.min(axis=0), ring.max(axis=0)
    if (high - low).max() < _LEAST_EXTENT_PX:
        grown = 0.5 if signed_area(ring) * _SHELLS_TURN >= 0 else -0.5
        low, high = low - grown, high + grown
        return np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    closed = np.vstack((ring, ring[:1]))
    along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))))
    length = float(along[-1])
    count = _LEAST_SAMPLES
    while length / count > step_px:
        count *= 2
    places = np.arange(count) * (length / count)
    path = np.interp(places, along, closed[:, 0]) + 1j * np.interp(places, along, closed[:, 1])
    spectrum = np.fft.fft(path)
    frequencies = np.fft.fftfreq(count, length / count).astype(np.float64)
    width, area = min(width_px, length * _SHARE_OF_LENGTH), abs(signed_area(ring))
    for _ in range(_HALVINGS):
        curve, outwards = _filtered(spectrum, frequencies, width)
        if _moved(path, curve, outwards, length / count) <= _MOST_MOVED * area:
            break
        width /= 2
    outside = curve + 0.5 * outwards
    return np.column_stack((outside.real, outside.imag))


def _filtered(
    spectrum: npt.NDArray[np.complex128], frequencies: npt.NDArray[np.float64], width: float
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """Give a curve, and at each of its points the unit vector that leads away from the object."""
    gaussian = np.exp(-2 * (np.pi * width * frequencies) ** 2)
    kept = spectrum * gaussian * (2 - gaussian)
    along = np.fft.ifft(2j * np.pi * frequencies * kept)
    return np.fft.ifft(kept), 1j * along / np.maximum(np.abs(along), 1e-9)


def _moved(
    path: npt.NDArray[np.complex128],
    curve: npt.NDArray[np.complex128],
    outwards: npt.NDArray[np.complex128],
    step: float,
) -> float:
    """Area between a path and its smoothed curve, about."""
    return float(np.abs(((curve - path) * outwards.conj()).real).sum() * step)


def corners(ring: Ring, tolerance_px: float) -> npt.NDArray[np.intp]:
    """Choose the points of a ring that it cannot do without, in their order; source: Douglas and Peucker 1973.

    Parameters
    ----------
    ring : (n, 2) float64
    tolerance_px : float
        How far the ring may lie from the lines between them.

    Returns
    -------
    (m,) int
        Indices, at least three. All of them for a ring without an area.
    """
    closed = Polygon(ring)
    kept: Polygon = closed.simplify(min(tolerance_px, closed.length * _TOLERANCE_OF_LENGTH))
    places, last = np.unique(_as_numbers(ring)[::-1], return_index=True)
    found = np.unique(
        len(ring) - 1 - last[np.searchsorted(places, _as_numbers(shapely.get_coordinates(kept.exterior)))]
    )
    return found.astype(np.intp) if len(found) >= _LEAST_CORNERS else np.arange(len(ring))


def _as_numbers(points: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    """Give each point as one number, which can be sorted and found again."""
    return np.ascontiguousarray(points).view(np.complex128)[:, 0]


def fewest(rings: Sequence[Ring], chosen: Sequence[npt.NDArray[np.intp]], most: int) -> list[npt.NDArray[np.intp]]:
    """Take corners away, always the one that changes the least area, until so many are left in all rings together.

    Each ring keeps three. Source: Visvalingam and Whyatt 1993.

    Parameters
    ----------
    rings : sequence of (n, 2) float64
    chosen : sequence of (m,) int
        Of each ring, the corners to begin with.
    most : int
        Corners in all.
    """
    left = [len(corners) for corners in chosen]
    if sum(left) <= most:
        return list(chosen)
    following = [np.roll(range(count), -1).tolist() for count in left]
    leading = [np.roll(range(count), 1).tolist() for count in left]
    places = [ring[corners].tolist() for ring, corners in zip(rings, chosen, strict=True)]
    gone: list[set[int]] = [set() for _ in chosen]

    def cost(ring: int, at: int) -> tuple[float, int, int, int, int]:
        before, after = leading[ring][at], following[ring][at]
        (x0, y0), (x1, y1), (x2, y2) = (places[ring][each] for each in (before, at, after))
        return abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)), ring, at, before, after

    line = [cost(ring, at) for ring, count in enumerate(left) for at in range(count)]
    heapq.heapify(line)
    while sum(left) > most and line:
        _, ring, at, before, after = heapq.heappop(line)
        is_old = at in gone[ring] or (leading[ring][at], following[ring][at]) != (before, after)
        if is_old or left[ring] <= _LEAST_CORNERS:
            continue
        gone[ring].add(at)
        left[ring] -= 1
        following[ring][before], leading[ring][after] = after, before
        heapq.heappush(line, cost(ring, before))
        heapq.heappush(line, cost(ring, after))
    return [
        corners[[at for at in range(len(corners)) if at not in out]] for corners, out in zip(chosen, gone, strict=True)
    ]


def balanced(ring: Ring, chosen: npt.NDArray[np.intp]) -> Ring:
    """Move the corners of a polygon a little off their curve, so that as much of it lies inside as outside.

    Chords of a round curve lie inside of it: without this, few corners would make every object smaller.

    Parameters
    ----------
    ring : (n, 2) float64
        The curve.
    chosen : (m,) int
        Its corners, in their order.

    Returns
    -------
    (m, 2) float64
    """
    here = ring[chosen]
    there = np.roll(here, -1, axis=0)
    swept = np.concatenate(([0.0], np.cumsum(_cross(ring, np.roll(ring, -1, axis=0)))))
    until = np.append(swept[chosen[1:]], swept[-1] + swept[chosen[0]])
    beyond = (until - swept[chosen] - _cross(here, there)) / 2  # area between curve and chord
    lengths = np.hypot(*(there - here).T)
    sides = there - np.roll(here, 1, axis=0)
    outwards = np.column_stack((sides[:, 1], -sides[:, 0])) / np.maximum(np.hypot(*sides.T), 1e-9)[:, None]
    needed = (beyond + np.roll(beyond, 1)) / np.maximum(lengths + np.roll(lengths, 1), 1e-9)
    return np.asarray(here + outwards * needed[:, None])


def signed_area(ring: Ring) -> float:
    """Area in square pixels; its sign tells which way the ring turns."""
    return float(_cross(ring, np.roll(ring, -1, axis=0)).sum() / 2)


def _cross(one: Ring, other: Ring) -> npt.NDArray[np.float64]:
    return np.asarray(one[:, 0] * other[:, 1] - other[:, 0] * one[:, 1])
