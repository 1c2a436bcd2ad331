"""Which weights stand behind the architectures of the registry: published ones, a user's own, or small stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import InvalidSettings
from training.models import Loaded, open_model

PUBLISHED = {
    "sam2.1_hiera_t": "tiny", "sam2.1_hiera_s": "small", "sam2.1_hiera_b+": "base_plus", "sam2.1_hiera_l": "large",
}  # fmt: skip
"""Architecture to the name that `open_model` finds pulled weights by; others are found by their own name."""
HISTOLOGY = ("uni", "uni2-h", "h-optimus-0")
CASCADE_PSP = "cascadepsp"
SMALL = {"uni": "tissue_tiny16", "uni2-h": "tissue_tiny14", "h-optimus-0": "tissue_tiny14"}


@dataclass(frozen=True)
class Weights:
    """What is opened for an architecture."""

    given: Mapping[str, str] = field(default_factory=dict)
    """Part of an architecture to a checkpoint: a name, a file, ``random``; a histology encoder's may be a folder."""
    small: bool = False
    """Small models of the same form: the embedded one for SAM 2, random weights for all else."""

    def open(self, model: str, checkpoint: str | None = None) -> Loaded:
        """Open an architecture, with another checkpoint in place of the published one if that is given.

        Raises
        ------
        StartupError
            Weights are missing; says how to get them.
        """
        parts = model.split(",")
        sam = parts[0] if parts[0] not in HISTOLOGY else "sam_vit_b"
        encoder = next((part for part in parts if part in HISTOLOGY), None)
        config = ",".join(self._small(part) for part in parts) if self.small else model
        return open_model(checkpoint or self._of(sam), config, **({"encoder": self._of(encoder)} if encoder else {}))

    def of_cascade_psp(self, folder: str) -> str:
        """Name the weights of CascadePSP: the user's, random ones, or a folder that they are fetched into."""
        return self.given.get(CASCADE_PSP, "random" if self.small else folder)

    def _of(self, part: str) -> str:
        if part in self.given:
            return self.given[part]
        if self.small:
            return "embedded" if part.startswith("sam2") else "random"
        return PUBLISHED.get(part, part)

    @staticmethod
    def _small(part: str) -> str:
        if part.startswith("sam2"):
            return "embedded"
        return "sam_vit_tiny" if part.startswith("sam_vit") else SMALL.get(part, part)


def read_weights(given: list[str], *, small: bool) -> Weights:
    """Read ``PART=CHECKPOINT`` of a command line.

    Raises
    ------
    InvalidSettings
        One is of another form, or names a part that no table has.
    """
    known = {*PUBLISHED, "sam_vit_b", "sam_vit_l", "sam_vit_h", *HISTOLOGY, CASCADE_PSP}
    found = {}
    for each in given:
        part, equals, checkpoint = each.partition("=")
        if not equals or part not in known:
            raise InvalidSettings(f"--weights {each}: give PART=CHECKPOINT, with one of {', '.join(sorted(known))}.")
        found[part] = checkpoint
    return Weights(found, small)
