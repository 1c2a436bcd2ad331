"""Which engines agree with the reference, and how long a window takes on each: the gate in front of `auto`.

Source of the limits and of the way: decision 0059.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from app.errors import ServiceError
from app.geometry.windows import WindowImage
from app.segmenter.engines.agreement import LEAST_INT8_IOU, Agreement, Seen, agreement, seen, why_not_the_same
from app.segmenter.engines.choice import Measured
from app.segmenter.engines.names import ENGINES, INT8, REFERENCE, SMALLER, EngineName, needs
from app.segmenter.engines.tissue import Example, drawn_examples, drawn_tissue, middle_of
from app.usecases.ports import Claim, Segmenter

HOPELESS = 4.0
"""Times the reference's: an engine that is warm and takes longer for a window is not tried any further."""
LOADING_S = 20.0
"""No kernels take longer to load: an engine whose first window takes longer and is hopeless is given up at once.
Without instructions for a type, a machine can take minutes for a window."""
_WARMING, _WARMING_S = 3, 2.0
"""Windows before anything is judged or timed; slow ones, which no loading of kernels explains, need not be so many."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """On what engines are compared."""

    held_out: tuple[WindowImage, ...] = ()
    """On which int8 is checked: others than those it was made from."""
    own: tuple[WindowImage, ...] = ()
    """Tissue of the user's, an object in the middle, on which losses are measured; without any it is drawn."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """What the reference made of everything that others are compared on."""

    drawn: tuple[Sequence[Example], Seen]
    held_out: tuple[Sequence[Example], Seen]
    own: tuple[Sequence[Example], Seen]

    @property
    def encode_s(self) -> float:
        return self.drawn[1].encode_s


def measure(
    load: Callable[[EngineName], Segmenter],
    on_cpu: bool,
    tissue: Tissue = Tissue(),
    *,
    most_loss: float | None = None,
    against: Sequence[tuple[str, Callable[[], Segmenter]]] = (),
) -> Iterator[Measured]:
    """Run every engine beside the reference, one after the other; the reference comes first.

    Parameters
    ----------
    load : callable
        Gives a segmenter that runs on an engine.
    on_cpu : bool
        Engines for the other kind of device are left out, and say so.
    tissue : Tissue
        Beside the drawn windows, which all engines of the whole square are judged on.
    most_loss : float, optional
        By how much the mean IoU of engines with a smaller square may miss 1; without it they are not tried.
    against : sequence of (str, callable)
        Other weights, by name, to be compared in the same way; never chosen.
    """
    reference = _reference(load, tissue)
    yield Measured(REFERENCE, reference.encode_s, 1.0, None)
    smaller = SMALLER if most_loss is not None else ()
    for engine in (*ENGINES[1:], *smaller):
        if needs(engine) == ("a GPU" if on_cpu else "a CPU"):
            yield Measured(engine, None, None, f"the model runs on {'a CPU' if on_cpu else 'a GPU'}")
        else:
            yield _tried(engine, lambda engine=engine: load(engine), reference, most_loss)  # type: ignore[misc]
    for name, other in against:
        yield _tried(name, other, reference, most_loss)


def time_window(segmenter: Segmenter) -> float:
    """Measure one window, seconds."""
    image = drawn_tissue(0, segmenter.input_side_px)
    start = time.perf_counter()
    segmenter.encode(image, Claim())
    return time.perf_counter() - start


def warmed(segmenter: Segmenter, reference_s: float = float("inf")) -> float:
    """Let an engine load what it loads for its first windows, and measure the last one, seconds.

    One that is hopeless beside the reference is not asked again.
    """
    segmenter.warm_up()
    start = time.perf_counter()
    for run in range(_WARMING):
        spent_s = time_window(segmenter)
        if spent_s > max(HOPELESS * reference_s, LOADING_S) or (run and time.perf_counter() - start > _WARMING_S):
            break
    return spent_s


def _reference(load: Callable[[EngineName], Segmenter], tissue: Tissue) -> _Reference:
    with closing(load(REFERENCE)) as segmenter:
        warmed(segmenter)
        drawn = drawn_examples(segmenter.input_side_px)
        base = (drawn, seen(segmenter, drawn))
        held_out, own = ([middle_of(window) for window in windows] for windows in (tissue.held_out, tissue.own))
        return _Reference(
            base,
            (held_out, seen(segmenter, held_out)) if held_out else base,
            (own, seen(segmenter, own)) if own else base,
        )


def _tried(name: str, load: Callable[[], Segmenter], reference: _Reference, most_loss: float | None) -> Measured:
    """Build an engine and judge it; one that fails keeps no other from being used."""
    try:
        with closing(load()) as candidate:
            return _judged(name, candidate, reference, most_loss)
    except ServiceError as error:
        return Measured(name, None, None, error.detail)
    except Exception as error:  # a driver or an operator
        return Measured(name, None, None, f"it failed: {type(error).__name__}: {error}")


def _judged(name: str, candidate: Segmenter, reference: _Reference, most_loss: float | None) -> Measured:
    spent_s = warmed(candidate, reference.encode_s)
    if spent_s > HOPELESS * reference.encode_s:
        times = f"{spent_s / reference.encode_s:.0f} times"
        return Measured(name, spent_s, None, f"a window took {times} as long as the reference's")
    if name in ENGINES:
        examples, base = reference.held_out if name == INT8 else reference.drawn
    else:
        examples, base = reference.own
    theirs = seen(candidate, examples)
    found = agreement(base, theirs)
    return Measured(
        name,
        theirs.encode_s,
        found.iou,
        _refusal(name, found, most_loss or 0.0),
        found.outline_px,
        found.low_iou,
        found.area,
    )


def _refusal(name: str, found: Agreement, most_loss: float) -> str | None:
    """Tell why an engine must not be used, or None if it may."""
    if name == INT8:
        least = f"its masks have an IoU of {found.iou:.4f} with the reference's, not {LEAST_INT8_IOU}"
        return None if found.iou >= LEAST_INT8_IOU else least
    if name in ENGINES:
        return why_not_the_same(found)
    if name not in SMALLER:
        return "other weights: never chosen automatically"
    return None if found.iou >= 1 - most_loss else f"it loses {1 - found.iou:.3f}, and {most_loss:g} is allowed"
