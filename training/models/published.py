"""Weights that others publish: SAM's, pinned by digest, and the histology encoders', which their host describes."""

from __future__ import annotations

from pathlib import Path

import httpx

from app.errors import InvalidSettings, WeightsUnavailable
from app.segmenter.weights import REGISTRY, Progress, WeightsEntry, find_digest, find_name, pull
from app.segmenter.weights.source import authorization, shown
from training.models.tissue_encoders import ENCODERS, TissueEncoder

_SAM = "https://dl.fbaipublicfiles.com/segment_anything"

SAM_WEIGHTS: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="sam_vit_b",
        about="SAM ViT-B as published by Meta",
        url=f"{_SAM}/sam_vit_b_01ec64.pth",
        size_bytes=375_042_383,
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        config="sam_vit_b",
    ),
    WeightsEntry(
        name="sam_vit_l",
        about="SAM ViT-L as published by Meta",
        url=f"{_SAM}/sam_vit_l_0b3195.pth",
        size_bytes=1_249_524_607,
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        config="sam_vit_l",
    ),
    WeightsEntry(
        name="sam_vit_h",
        about="SAM ViT-H as published by Meta",
        url=f"{_SAM}/sam_vit_h_4b8939.pth",
        size_bytes=2_564_550_879,
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        config="sam_vit_h",
    ),
)
HUB = "https://huggingface.co"
_FILES = ("pytorch_model.bin", "model.safetensors")
_COMMIT, _SIZE, _DIGEST = "X-Repo-Commit", "X-Linked-Size", "X-Linked-Etag"


def find_published(name: str) -> WeightsEntry | None:
    """Give the entry of this name, of SAM or SAM 2."""
    return find_name(name) or next((entry for entry in SAM_WEIGHTS if entry.name == name), None)


def find_published_digest(sha256: str) -> WeightsEntry | None:
    """Give the entry that has this digest, of SAM or SAM 2."""
    return find_digest(sha256) or next((entry for entry in SAM_WEIGHTS if entry.sha256 == sha256), None)


def published_names() -> list[str]:
    """List the names of what can be pulled: both SAMs, then the histology encoders."""
    gated = [encoder.name for encoder in ENCODERS.values() if encoder.repository]
    return [*(entry.name for entry in (*REGISTRY, *SAM_WEIGHTS)), *gated]


def pull_published(
    name: str,
    folder: Path,
    *,
    token: str | None = None,
    mirror: str | None = None,
    hub: str = HUB,
    progress: Progress | None = None,
) -> Path:
    """Fetch weights by name into a folder; stopped at any moment, the next call resumes from there.

    Parameters
    ----------
    token : str, optional
        Of an account that was given access to a histology encoder; sent to `hub` alone, and never logged.
    mirror : str, optional
        Base URL that takes the place of SAM's own host.
    hub : str
        Base URL of the host of the histology encoders.

    Returns
    -------
    Path
        The file, of the size and digest that are pinned here, or that the host says.

    Raises
    ------
    InvalidSettings
        The name is unknown, or the token would travel unencrypted.
    WeightsUnavailable, WeightsCorrupt
        See `app.segmenter.weights.pull`.
    """
    entry = find_published(name)
    if entry is not None:
        return pull(entry, folder, mirror=mirror, progress=progress)
    encoder = ENCODERS.get(name)
    if encoder is None or not encoder.repository:
        raise InvalidSettings(f"There are no published weights {name!r}: choose among {', '.join(published_names())}.")
    return pull(described(encoder, token, hub), folder, token=token, progress=progress)


def described(encoder: TissueEncoder, token: str | None, hub: str = HUB) -> WeightsEntry:
    """Ask the host for version, size and digest of an encoder's weights.

    Raises
    ------
    InvalidSettings
        The token would travel unencrypted.
    WeightsUnavailable
        The host cannot be reached, does not know the token or the file, or does not say what the file is.
    """
    pages = f"{hub.rstrip('/')}/{encoder.repository}"
    headers = {"User-Agent": "cytomine-refine", **authorization(httpx.URL(pages), token)}
    with httpx.Client(headers=headers, timeout=30) as client:
        for file in _FILES:
            url = f"{pages}/resolve/main/{file}"
            try:
                answer = client.head(url)
            except httpx.RequestError as error:
                raise WeightsUnavailable(f"Cannot reach {shown(httpx.URL(url))}: {error}.") from error
            if answer.status_code != 404:
                return _entry(encoder, answer, pages, file)
    raise WeightsUnavailable(f"{pages} has neither {' nor '.join(_FILES)}.")


def _entry(encoder: TissueEncoder, answer: httpx.Response, pages: str, file: str) -> WeightsEntry:
    if answer.status_code in {401, 403}:
        raise WeightsUnavailable(
            f"{pages} gives {encoder.name} only to accounts that its makers have admitted: ask for access on that page"
            " (licence: " + encoder.licence + "), then give a token of that account, in HF_TOKEN or with --token-file."
        )
    said = [answer.headers.get(name, "").strip('"') for name in (_COMMIT, _SIZE, _DIGEST)]
    commit, size, sha256 = said
    if answer.status_code >= 400 or not size.isdigit() or len(sha256) != 64 or not commit.isalnum():
        raise WeightsUnavailable(f"{pages} answers {answer.status_code} and does not say what {file} is.")
    return WeightsEntry(
        encoder.name, f"{encoder.repository}, version {commit}", f"{pages}/resolve/{commit}/{file}", int(size), sha256,
        encoder.name,
    )  # fmt: skip
