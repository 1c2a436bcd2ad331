"""The models of the thesis, and how it trains them."""

from __future__ import annotations

from dataclasses import replace

from training.finetune.recipe import PRESETS
from training.tables.entry import Arm

SAM, SAM2 = Arm("sam_vit_b"), Arm("sam2.1_hiera_b+")
SAM_ENCODERS = {"vit_b": SAM, "vit_l": Arm("sam_vit_l"), "vit_h": Arm("sam_vit_h")}
SAM2_ENCODERS = {
    "hiera_t": Arm("sam2.1_hiera_t"), "hiera_s": Arm("sam2.1_hiera_s"), "hiera_b": SAM2,
    "hiera_l": Arm("sam2.1_hiera_l"),
}  # fmt: skip
BOTH = {"SAM": SAM, "SAM2": SAM2}

SAM2_RECIPE = PRESETS["thesis"]
SAM_RECIPE = replace(PRESETS["thesis"], loss="bce", batch=64)
"""Source: section 5.2.1: cross entropy alone, and the largest batch that the author's machine took."""
TUNED_SAM, TUNED_SAM2 = Arm("sam_vit_b", SAM_RECIPE), Arm("sam2.1_hiera_b+", SAM2_RECIPE)
BOTH_TUNED = {"SAM": TUNED_SAM, "SAM2": TUNED_SAM2}

HISTOLOGY = {"H-Optimus-0": "h-optimus-0", "UNI": "uni", "UNI-2H": "uni2-h"}
HISTOLOGY_RECIPE = replace(SAM_RECIPE, batch=32)
"""Source: section 6.2."""


def alone(encoder: str, upsampling: str, loss: str = "bce") -> Arm:
    """Give a histology encoder in place of SAM's own; source: section 6.2."""
    return Arm(f"{encoder},{upsampling}", replace(HISTOLOGY_RECIPE, loss=loss))


def concatenated(encoder: str, upsampling: str) -> Arm:
    """Give a histology encoder beside SAM's own, their features concatenated; source: section 6.3."""
    return Arm(f"sam_vit_b,{encoder},concatenation,{upsampling}", HISTOLOGY_RECIPE)


def attended(encoder: str, sam: str = "sam_vit_b") -> Arm:
    """Let SAM's features attend to those of a histology encoder; source: section 6.4."""
    return Arm(f"{sam},{encoder},attention", HISTOLOGY_RECIPE)


def refined(encoder: str) -> Arm:
    """Refine the masks of the fine-tuned SAM, which stays as it is; source: section 6.4."""
    return Arm(f"sam_vit_b,{encoder},refinement", HISTOLOGY_RECIPE, begins=TUNED_SAM)
