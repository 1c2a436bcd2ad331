"""When people come: at random and by themselves, whatever the service does.

The load is open: who waits keeps nobody else from coming, so a slow service gets a long line instead of fewer
questions. Within a session a person does wait for an answer before going on (a *partly open* system: Schroeder,
Wierman and Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator


def poisson(rng: Rng, per_second: float, seconds: float) -> npt.NDArray[np.float64]:
    """Give the moments of independent arrivals, ascending, seconds from the start.

    Parameters
    ----------
    per_second : float
        Mean rate; 0 gives nobody.
    seconds : float
        Nobody comes later.
    """
    count = int(rng.poisson(per_second * seconds))
    return np.sort(rng.uniform(0.0, seconds, count))


def zipf(count: int, exponent: float) -> npt.NDArray[np.float64]:
    """Give the shares of so many things by popularity: the n-th is asked for 1 / n^exponent as often as the first."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())
