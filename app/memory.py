"""How memory is kept: the C library holds too much of it by default, and Python looks through it too often."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of ``mallopt`` in glibc's malloc.h."""
_LARGE_BYTES = 2 * 2**20
"""Windows and embeddings are larger. Masks are smaller: fresh pages for each would take longer than working on it."""
_KEPT_BYTES = 16 * 2**20
"""Free memory that a pool keeps at its end."""
_ARENAS = 2


def return_large_blocks() -> bool:
    """Give large blocks back to the system when they are freed, and keep few pools for the threads' small ones.

    Windows and embeddings are arrays of megabytes that many threads take in turn. By default glibc learns to keep such
    blocks, in a pool for each few threads, and a service grows by what it has long freed.

    Returns
    -------
    bool
        Whether the C library took it; others than glibc do without.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = {_TRIM_THRESHOLD: _KEPT_BYTES, _MMAP_THRESHOLD: _LARGE_BYTES, _ARENA_MAX: _ARENAS}
    return all(mallopt(name, value) == 1 for name, value in wanted.items())


def keep_what_is_loaded() -> None:
    """Let the garbage collector look only through what comes later: every thread stands still while it looks.

    Modules and a model are a hundred thousand objects, with torch almost three times as many, which stay until the end.
    Looking through them takes 0.1 to 0.5 s, in which nobody gets an answer, not even about health.
    """
    gc.collect()
    gc.freeze()
