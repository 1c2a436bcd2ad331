"""Every architecture of the contract suite, small and with random weights that depend on prompts."""

from __future__ import annotations

import numpy as np
import torch

from training.models import Loaded, open_model
from training.prompts import Given

SAM2, SAM1 = "embedded", "sam_vit_tiny"
JOINED = (
    f"{SAM1},tissue_tiny14,alone,interpolation",
    f"{SAM1},tissue_tiny16,alone,deconvolution",
    f"{SAM1},tissue_tiny14,concatenation,deconvolution",
    f"{SAM1},tissue_tiny16,concatenation,interpolation",
    f"{SAM1},tissue_tiny16,attention",
    f"{SAM1},tissue_tiny14,refinement",
    f"{SAM2},tissue_tiny16,concatenation,interpolation",
    f"{SAM2},tissue_tiny14,attention",
    f"{SAM2},tissue_tiny16,refinement",
)
EVERY = (SAM2, SAM1, *JOINED)


def opened(config: str) -> Loaded:
    """Open an architecture with random weights, all of them different from zero."""
    loaded = open_model("random", config, "random")
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in loaded.network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02, generator=rng)
    return loaded


def given(*, box: bool = True, points: int = 0, mask: bool = False) -> Given:
    """Give prompts for a disc in the middle of the model frame."""
    places = np.array([[500.0, 520.0], [100.0, 90.0], [530.5, 410.5]])[:points]
    ys, xs = np.mgrid[:1024, :1024]
    disc = (xs - 512) ** 2 + (ys - 512) ** 2 < 200**2
    return Given(
        np.array([300.0, 310.0, 720.0, 715.0]) if box else None,
        places,
        np.array([1, 0, 1], np.int32)[:points],
        disc if mask else None,
    )
