"""What people ask for: a window around an object as the service would read it, and boxes as hands draw them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from training.embedded.pool import CELL_PX, Floats, Listed, Pool, Rng

CONTEXT = 2.0
"""Side of a window over the longer side of its box, as the service has it."""
_SMALLEST_NEIGHBOUR = 0.2
"""Shorter objects of a window, as a share of its side, are not asked for: the service would look closer."""
_SAME_AGAIN = 0.15
"""How often a further prompt asks for the same object with another box, though there are others."""
_CENTRED = 0.6
_MOVED_ONTO = 0.5
"""How often a window that a scene's edge cuts is moved onto the scene, as far as it fits."""
_TRIES = 8
_OUTWARDS = np.array([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Asked:
    """n windows, and t prompts in each."""

    places: npt.NDArray[np.int64]
    """(n,): of the scenes in the pool."""
    extents: Floats
    """(n, 2): of the scenes, width and height."""
    starts: Floats
    """(n, 2): top left corners, x and y, pixels of the scene."""
    sides: Floats
    """(n,): of the windows, pixels of the scene."""
    numbers: npt.NDArray[np.int64]
    """(n, t): labels of what is asked for; 0 where the box holds nothing."""
    boxes: npt.NDArray[np.float32]
    """(n, t, 4): as shares of the window."""
    glass: npt.NDArray[np.bool_]
    """(n,): whether there is no tissue, whatever the scene holds."""

    def only(self, rows: npt.NDArray[np.int64]) -> Asked:
        """Give some of the windows."""
        return Asked(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Habits:
    """How people draw boxes."""

    exact: float
    """Share of nearly exact ones."""
    far_off: float
    """Share of those that lie far off."""


def ask(rng: Rng, pool: Pool, count: int, targets: int, habits: Habits, real: float, empty: float) -> Asked:
    """Ask for objects of the scenes at hand.

    The window follows the service's rule: twice the longer side of the first box, centred or, near a slide's border,
    moved so that the box lies anywhere in it. Further prompts ask for its neighbours, or for the same object again.

    Parameters
    ----------
    count, targets : int
        Of windows, and of prompts in each.
    real, empty : float
        Share of real windows, where there are any, and of those whose box holds nothing.
    """
    rows = []
    for _ in range(count):
        place = pool.choose(rng, real)
        scene = pool.of(place)
        row = _empty(rng, scene, targets) if rng.random() < empty else _object(rng, scene, targets, habits)
        rows.append((place, scene.extent, *row))
    places, extents, starts, sides, numbers, boxes, glass = zip(*rows, strict=True)
    return Asked(
        np.array(places, np.int64), np.array(extents, np.float64), np.array(starts), np.array(sides),
        np.array(numbers, np.int64), np.array(boxes, np.float32), np.array(glass, np.bool_),
    )  # fmt: skip


Row = tuple[Floats, float, npt.NDArray[np.int64], Floats, bool]


def _object(rng: Rng, scene: Listed, targets: int, habits: Habits) -> Row:
    """Look at an object, and at some of what lies around it."""
    first = int(rng.integers(len(scene.numbers)))
    box = _on(scene, hand_drawn(rng, scene.boxes[first], habits))
    side = CONTEXT * float(max(box[2] - box[0], box[3] - box[1]))
    start = np.array([_start(rng, box[axis], box[axis + 2], side) for axis in (0, 1)])
    if rng.random() < _MOVED_ONTO:
        room = np.array(scene.extent) - side
        start = np.clip(start, np.minimum(room, 0), np.maximum(room, 0))
    others = _neighbours(scene, first, start, side)
    asked = [first]
    for _ in range(targets - 1):
        again = not len(others) or rng.random() < _SAME_AGAIN
        asked.append(first if again else int(rng.choice(others)))
    boxes = np.array([box, *(_on(scene, hand_drawn(rng, scene.boxes[each], habits)) for each in asked[1:])])
    return start, side, scene.numbers[asked], (boxes - np.tile(start, 2)) / side, False


def _on(scene: Listed, box: Floats) -> Floats:
    """Leave of a box what lies on the scene, as the service does with slides."""
    return np.clip(box, 0, np.tile(np.array(scene.extent, np.float64), 2))


def _empty(rng: Rng, scene: Listed, targets: int) -> Row:
    """Look where there is nothing: at ground, or at glass where the scene has no ground that is known to be bare."""
    tries = [_anywhere(rng, scene) for _ in range(_TRIES)]
    bare = [box for box in tries if scene.has_ground and not _holds_something(scene, box)]
    box = bare[0] if bare else tries[0]
    side = CONTEXT * float(max(box[2] - box[0], box[3] - box[1]))
    start = (box[:2] + box[2:] - side) / 2
    boxes = np.tile((box - np.tile(start, 2)) / side, (targets, 1))
    return start, side, np.zeros(targets, np.int64), boxes, not bare


def _anywhere(rng: Rng, scene: Listed) -> Floats:
    extent = np.exp(rng.uniform(np.log(14), np.log(110), 2))
    corner = rng.uniform((0, 0), np.maximum(np.array(scene.extent) - extent, 1))
    return np.concatenate([corner, corner + extent])


def _holds_something(scene: Listed, box: Floats) -> bool:
    x0, y0, x1, y1 = (box / CELL_PX).astype(int)
    return bool(scene.taken[y0 : y1 + 1, x0 : x1 + 1].any())


def hand_drawn(rng: Rng, tight: Floats, habits: Habits) -> Floats:
    """Draw a box as a person does: nearly exact, evenly loose, loose by another share on every side, or far off.

    Parameters
    ----------
    tight : (4,)
        x_min, y_min, x_max, y_max.

    Returns
    -------
    (4,) float64
        In the same pixels. Sides move outwards by -10 % to +45 % of the extent.
    """
    extent = np.array([tight[2] - tight[0], tight[3] - tight[1]] * 2)
    style = rng.random()
    if style < habits.far_off:
        shares = rng.uniform(-0.1, 0.45, 4)
    elif style < habits.far_off + habits.exact:
        shares = rng.uniform(-0.02, 0.03, 4)
    elif rng.random() < 0.4:
        shares = rng.uniform(0.0, 0.2) + rng.uniform(-0.02, 0.02, 4)
    else:
        shares = rng.uniform(-0.04, 0.3, 4)
    return np.asarray(tight + extent * shares * _OUTWARDS)


def _start(rng: Rng, low: float, high: float, side: float) -> float:
    """Place a window along one axis: centred, or as a border of the slide would have it."""
    if rng.random() < _CENTRED:
        return float((low + high - side) / 2 + rng.normal(0, 0.01) * side)
    return float(rng.uniform(high - side, low))


def _neighbours(scene: Listed, first: int, start: Floats, side: float) -> npt.NDArray[np.int64]:
    """List the other objects that lie wholly in a window and are large enough there."""
    boxes = (scene.boxes - np.tile(start, 2)) / side
    longer = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    fit = (boxes.min(1) >= 0) & (boxes.max(1) <= 1) & (longer >= _SMALLEST_NEIGHBOUR)
    fit[first] = False
    return np.flatnonzero(fit)
