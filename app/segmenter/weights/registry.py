"""The checkpoints that the service knows by name, each pinned by size and digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_META = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"


@dataclass(frozen=True, slots=True)
class WeightsEntry:
    """One published checkpoint.

    The digest makes its host irrelevant: a mirror either gives these very bytes or is refused.
    """

    name: str
    about: str
    url: str
    size_bytes: int
    sha256: str
    config: str
    """The SAM 2.1 config that it was made for."""

    @property
    def file_name(self) -> str:
        """What the pulled file is called."""
        return f"{self.name}.pt"

    def path_in(self, folder: Path) -> Path:
        """Where the pulled file lies in the folder of the checkpoints."""
        return folder / self.file_name


REGISTRY: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="thesis",
        about="SAM 2.1 Hiera-B+ fine-tuned on histology",
        url="https://huggingface.co/TVM13/Cytomine-sam/resolve/main/weights.pt",
        size_bytes=323_637_178,
        sha256="c7dc315a793d2a57b514387a31560c14113e4258927d7d1c8504daf0fee3721d",
        config="sam2.1_hiera_b+",
    ),
    WeightsEntry(
        name="base_plus",
        about="SAM 2.1 Hiera-B+ as published by Meta",
        url=f"{_META}/sam2.1_hiera_base_plus.pt",
        size_bytes=323_606_802,
        sha256="a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        config="sam2.1_hiera_b+",
    ),
    WeightsEntry(
        name="large",
        about="SAM 2.1 Hiera-L as published by Meta",
        url=f"{_META}/sam2.1_hiera_large.pt",
        size_bytes=898_083_611,
        sha256="2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        config="sam2.1_hiera_l",
    ),
    WeightsEntry(
        name="small",
        about="SAM 2.1 Hiera-S as published by Meta",
        url=f"{_META}/sam2.1_hiera_small.pt",
        size_bytes=184_416_285,
        sha256="6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        config="sam2.1_hiera_s",
    ),
    WeightsEntry(
        name="tiny",
        about="SAM 2.1 Hiera-T as published by Meta",
        url=f"{_META}/sam2.1_hiera_tiny.pt",
        size_bytes=156_008_466,
        sha256="7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        config="sam2.1_hiera_t",
    ),
)
"""In the order in which the start prefers them."""


def find_name(name: str) -> WeightsEntry | None:
    """Give the entry of this name; ``base-plus`` and ``BASE_PLUS`` are ``base_plus`` too."""
    wanted = name.lower().replace("-", "_")
    return next((entry for entry in REGISTRY if entry.name == wanted), None)


def find_digest(sha256: str) -> WeightsEntry | None:
    """Give the entry that has this digest, whatever its file is called."""
    return next((entry for entry in REGISTRY if entry.sha256 == sha256), None)
