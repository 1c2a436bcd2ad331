"""Whether a file's tiles can be where it says: a reader in C that believes a length of gigabytes ends the process."""

from __future__ import annotations

from pathlib import Path

import tifffile

_MOST_PAGES = 100


def lengths_fit(path: Path) -> bool:
    """Tell whether no tile or strip of a TIFF file is longer than the file."""
    size = path.stat().st_size
    try:
        with tifffile.TiffFile(path) as file:
            pages = file.pages[: min(len(file.pages), _MOST_PAGES)]
            return all(0 <= count <= size for page in pages for count in page.databytecounts)
    except Exception:  # a damaged file makes tifffile raise whatever it likes
        return False
