"""Files that are mapped into memory, and whose pages are no longer needed."""

from __future__ import annotations

import ctypes
from pathlib import Path

_DONTNEED = 4
"""``MADV_DONTNEED`` of Linux: pages of a file that were not written to are read again should they be touched."""


def drop_pages(folder: Path, maps: Path = Path("/proc/self/maps")) -> int:
    """Let go of the resident pages of the files of a folder that this process has mapped for reading only.

    Returns
    -------
    int
        Bytes of the mappings. 0 on a system without such a list.
    """
    try:
        lines = maps.read_text().splitlines()
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return 0
    dropped = 0
    for line in lines:
        span, rights, *_, name = line.split(maxsplit=5)
        if not name.startswith(f"{folder}/") or not rights.startswith("r--"):
            continue
        start, end = (int(each, 16) for each in span.split("-"))
        if advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED) == 0:
            dropped += end - start
    return dropped
