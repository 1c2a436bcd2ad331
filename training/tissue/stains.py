"""Stains: how much dye a pixel holds, turned into colour by the law of Beer and Lambert.

Typical optical densities of haematoxylin, eosin and DAB: Ruifrok and Johnston 2001, "Quantification of histochemical
staining by color deconvolution".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.tissue.fields import Field, Rng

Rgb = npt.NDArray[np.uint8]

HAEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
_STYLES = {
    "h&e": (HAEMATOXYLIN, EOSIN),
    "purple": ((0.55, 0.75, 0.22), (0.35, 0.45, 0.12)),
    "nuclear": (HAEMATOXYLIN, (0.45, 0.45, 0.30)),
    "dab": (DAB, HAEMATOXYLIN),
}


def stained(rng: Rng, nuclear: Field, other: Field, *, light: bool = False) -> Rgb:
    """Colour a scene.

    Parameters
    ----------
    nuclear, other : (h, w) float32
        Optical density of the stain of nuclei and of the counterstain.
    light : bool
        A nuclear stain on a pale ground.

    Returns
    -------
    (h, w, 3) uint8
        RGB.
    """
    styles, weights = (("purple", "nuclear"), (0.6, 0.4)) if light else (("h&e", "purple", "dab"), (0.75, 0.17, 0.08))
    first, second = _STYLES[str(rng.choice(styles, p=weights))]
    dyes = np.array([first, second]) * np.exp(rng.normal(0, 0.16, (2, 3))) + rng.uniform(0, 0.05, (2, 3))
    dyes /= np.linalg.norm(dyes, axis=1, keepdims=True)
    density = nuclear[..., None] * dyes[0].astype(np.float32) + other[..., None] * dyes[1].astype(np.float32)
    glass = rng.uniform(0.86, 1.0) * (1 - rng.uniform(0, 0.06, 3))
    return np.asarray(np.clip(255 * glass * np.exp(-density), 0, 255), dtype=np.uint8)
