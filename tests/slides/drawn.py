"""The demo's drawn slide, which takes half a minute: drawn once for a checkout, by the first process that wants it."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from demo.slides.drawn import draw_slide

_KEPT = Path(__file__).resolve().parents[2] / "out" / "slides"


def place_drawn_slide(folder: Path) -> None:
    """Put the slide where an embedded Cytomine of this folder has its own."""
    _KEPT.parent.mkdir(exist_ok=True)
    with _KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draw_slide(_KEPT)
    shutil.copytree(_KEPT, folder / "slides")
