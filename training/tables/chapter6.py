"""Chapter 6: SAM with encoders that were trained on histology, and, beyond the thesis, SAM 2 with them."""

from __future__ import annotations

from training.tables.arms import HISTOLOGY, TUNED_SAM, TUNED_SAM2, alone, attended, concatenated, refined
from training.tables.asked import side_by_side, types
from training.tables.entry import Arm, Entry, Line

_UPSAMPLINGS = ("deconvolution", "interpolation")
_LATER = "The weights of UNI, UNI2-h and H-optimus-0 are available from their authors on request."


def _alone(number: str, name: str, encoder: str) -> Entry:
    lines = [Line(each, alone(encoder, each), types()) for each in _UPSAMPLINGS]
    lines.append(Line("interpolation, original loss", alone(encoder, "interpolation", "original-sam"), types()))
    return Entry(number, f"{name} in place of SAM's encoder", lines=tuple(lines), note=_LATER,
                 panels=side_by_side(lines[1].arm))  # fmt: skip


def _concatenated(number: str, name: str, encoder: str) -> Entry:
    lines = tuple(Line(each, concatenated(encoder, each), types()) for each in _UPSAMPLINGS)
    return Entry(number, f"{name} beside SAM's encoder, concatenated", lines=lines, note=_LATER)


def _figure(number: str, title: str, *models: str) -> Entry:
    return Entry(number, title, "figure", architectures=models)


_BEST = {
    "SAM": TUNED_SAM,
    "SAM2": TUNED_SAM2,
    "Uni-2H": alone("uni2-h", "interpolation"),
    "SAM with H-Optimus-0 (Concat)": concatenated("h-optimus-0", "deconvolution"),
    "SAM with UNI-2H (Ref)": refined("uni2-h"),
}

ENTRIES = (
    *(_alone(f"6.{place}", name, encoder) for place, (name, encoder) in enumerate(HISTOLOGY.items(), start=1)),
    *(_concatenated(f"6.{place}", name, encoder) for place, (name, encoder) in enumerate(HISTOLOGY.items(), start=4)),
    Entry("6.7", "Fusion by cross-attention", note=_LATER,
          lines=tuple(Line(name, attended(encoder), types()) for name, encoder in HISTOLOGY.items())),
    Entry("6.8", "Refinement by attention", note=_LATER,
          lines=tuple(Line(name, refined(encoder), types()) for name, encoder in HISTOLOGY.items()),
          panels=side_by_side(refined("uni2-h"))),
    Entry("6.9", "The best of each, on unseen data", unseen=True, note=_LATER,
          lines=tuple(Line(name, arm, types()) for name, arm in _BEST.items())),
    _figure("figure 6.1", "A histology encoder in place of SAM's",
            *(f"{encoder},{each}" for encoder in HISTOLOGY.values() for each in _UPSAMPLINGS)),
    _figure("figure 6.2", "Concatenation",
            *(f"sam_vit_b,{encoder},concatenation,{each}" for encoder in HISTOLOGY.values() for each in _UPSAMPLINGS)),
    _figure("figure 6.3", "Cross-attention", *(f"sam_vit_b,{encoder},attention" for encoder in HISTOLOGY.values())),
    _figure("figure 6.4", "Refinement", *(f"sam_vit_b,{encoder},refinement" for encoder in HISTOLOGY.values())),
    _figure("figure 6.5", "The refinement module", "sam_vit_b,uni2-h,refinement"),
)  # fmt: skip

OF_OURS = (
    Entry(
        "sam2-histology", "SAM2 with histology encoders: the thesis' future work", note=_LATER,
        lines=(
            Line("SAM2", TUNED_SAM2, types()),
            *(Line(f"{name}, cross-attention", attended(encoder, "sam2.1_hiera_b+"), types())
              for name, encoder in HISTOLOGY.items()),
            *(Line(f"{name}, refinement",
                   Arm(f"sam2.1_hiera_b+,{encoder},refinement", TUNED_SAM2.recipe, begins=TUNED_SAM2), types())
              for name, encoder in HISTOLOGY.items()),
        ),
    ),
)  # fmt: skip
