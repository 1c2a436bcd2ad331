"""A field of real tissue, where a package on this machine has one: colonic glands, as scikit-image ships them.

The picture (immunohistochemistry for FHL2, DAB with hematoxylin; Center for Microscopy and Molecular Imaging; no known
copyright restrictions, as scikit-image tells) lies in scikit-image's wheel. Nothing is downloaded, and nothing of it is
kept in this repository. Its physical size is not known.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import shapely

_PICTURE = Path("data", "ihc.png")
NAME = "colonic-glands.png"
GLAND = shapely.box(246, 296, 394, 510)
"""A loose box, drawn by eye around the gland that the picture holds as a whole; slide frame."""
NEIGHBOUR = shapely.Polygon([(272, 2), (425, 2), (468, 90), (470, 190), (440, 304), (385, 290), (300, 225), (266, 120)])
"""A freehand shape, drawn by eye around the gland beside it, which the picture's edge cuts; slide frame."""


def tissue_slide(folder: Path) -> Path | None:
    """Put the picture into a folder.

    Parameters
    ----------
    folder : Path
        Exists; a picture that lies there already stays.

    Returns
    -------
    Path or None
        None where scikit-image is not installed (the extra ``tissue``), or has no such picture.
    """
    place = folder / NAME
    found = importlib.util.find_spec("skimage")
    if not place.exists() and found is not None and found.origin is not None:
        picture = Path(found.origin).parent / _PICTURE
        if picture.is_file():
            shutil.copyfile(picture, place)
    return place if place.exists() else None
