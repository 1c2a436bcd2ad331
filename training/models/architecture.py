"""Names of architectures, as ``--config`` takes them and checkpoints keep them.

====================================================  ==================================================================
``sam2.1_hiera_b+``, a YAML file, …                   SAM 2.1
``sam_vit_b``, ``sam_vit_l``, ``sam_vit_h``           SAM
``uni2-h,interpolation``                              a histology encoder alone, with the decoder of SAM ViT-B; short
                                                      for ``sam_vit_b,uni2-h,alone,interpolation``
``sam_vit_b,uni2-h,concatenation,deconvolution``      both encoders, side by side
``sam_vit_b,uni2-h,attention``                        both encoders, by cross-attention
``sam_vit_b,uni2-h,refinement``                       a frozen SAM whose masks a histology encoder corrects
====================================================  ==================================================================

In all of them but the second, a SAM 2.1 may stand in place of the SAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from app.errors import InvalidSettings
from training.models.heads import Upsampling
from training.models.sam1 import SIZES
from training.models.tissue_encoders import ENCODERS

Fusion = Literal["alone", "concatenation", "attention", "refinement"]
DEFAULT_SAM = "sam_vit_b"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A SAM, and a histology encoder joined to it or none."""

    sam: str
    encoder: str | None = None
    fusion: Fusion | None = None
    upsampling: Upsampling | None = None

    @property
    def name(self) -> str:
        """In full."""
        return ",".join(part for part in (self.sam, self.encoder, self.fusion, self.upsampling) if part)

    @property
    def is_sam1(self) -> bool:
        """Whether its SAM is the first one."""
        return self.sam in SIZES


def architecture_of(config: str) -> Architecture:
    """Read the name of an architecture; one without a comma is a SAM alone.

    Raises
    ------
    InvalidSettings
        A part is unknown, missing or one too many.
    """
    parts = [part.strip() for part in config.split(",")]
    if len(parts) == 1:
        if config in ENCODERS:
            raise InvalidSettings(f"{config} needs a way to the mask decoder: {config},interpolation for example.")
        return Architecture(config)
    if parts[0] in ENCODERS:
        sam = DEFAULT_SAM if ENCODERS[parts[0]].repository else "sam_vit_tiny"
        parts = [sam, parts[0], "alone", *parts[1:]]
    sam, encoder, fusion, *rest = [*parts, ""][: max(3, len(parts))]
    known: dict[str, Fusion] = {each: each for each in get_args(Fusion)}
    if encoder not in ENCODERS:
        raise InvalidSettings(f"There is no histology encoder {encoder!r} in {config}: {', '.join(ENCODERS)}.")
    if fusion not in known:
        raise InvalidSettings(f"There is no way {fusion!r} to join encoders in {config}: {', '.join(known)}.")
    found = Architecture(sam, encoder, known[fusion], _upsampling(known[fusion], rest, config))
    if found.fusion == "alone" and not found.is_sam1:
        raise InvalidSettings(f"{config}: a decoder of SAM 2 needs SAM 2's finer features; alone takes one of SAM.")
    return found


def _upsampling(fusion: Fusion, rest: list[str], config: str) -> Upsampling | None:
    if fusion in {"attention", "refinement"}:
        if rest:
            raise InvalidSettings(f"{config}: {fusion} enlarges nothing; leave out {','.join(rest)}.")
        return None
    if rest == ["deconvolution"]:
        return "deconvolution"
    if rest == ["interpolation"]:
        return "interpolation"
    raise InvalidSettings(f"{config}: name how tokens are enlarged, deconvolution or interpolation, at the end.")
