"""Whether a compiled encoder gives the features of the model that it was traced from, on the processor that runs it.

A compiler can be wrong about a model on one kind of processor, and masks from such features look like masks (decision
0078). What the model itself sees in a drawn window is kept beside its trace, and whoever compiles compares once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from app.errors import InvalidSettings
from app.segmenter.embedding import Features
from app.segmenter.engines.engine import Pixels
from app.segmenter.engines.tissue import drawn_window

MOST_ERROR = 0.1
"""Mean error over mean size. bfloat16 makes 0.01; one block compiled wrong has made 0.13 to 0.26."""


def example(side: int) -> Pixels:
    """Draw the window that is looked at, (s, s, 3) uint8."""
    return drawn_window(0, side).pixels


def keep_features(traced: Path, features: Features) -> None:
    """Keep what the model itself sees in the example: its coarsest level, into which all of the others went."""
    part = traced.with_name(f"part-{os.getpid()}-{_kept(traced).name}")
    np.save(part, np.asarray(features[-1], np.float32))
    os.replace(part, _kept(traced))  # other processes may be reading


def check_features(
    encode: Callable[[], Features], traced: Path, engine: str, mark: Path, *, compiled_now: bool
) -> None:
    """Compare once what a compiled encoder sees in the example with what the model itself saw.

    Parameters
    ----------
    encode : callable
        Encodes the example.
    traced : Path
        The encoder's trace.
    engine : str
        Its name, for the message.
    mark : Path
        File that says that this was done before; made here where it can be.
    compiled_now : bool
        The encoder does not come from a cache: it is compared again.

    Raises
    ------
    InvalidSettings
        They differ.
    """
    if not _kept(traced).exists() or (mark.exists() and not compiled_now):
        return
    expected = np.load(_kept(traced))
    error = float(np.abs(np.asarray(encode()[-1]) - expected).mean() / np.abs(expected).mean())
    if not error <= MOST_ERROR:
        mark.unlink(missing_ok=True)
        raise InvalidSettings(
            f"The engine {engine} does not compute what the model computes on this processor: its features are off by"
            f" {error:.0%}. Use another one; REFINE_SEGMENTER__ENGINE=auto finds those that are right."
        )
    with suppress(OSError):  # a folder that is only read: the next start compares again
        mark.touch()


def _kept(traced: Path) -> Path:
    return traced.with_suffix(".features.npy")
