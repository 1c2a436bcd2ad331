"""Whether a checkpoint is what it should be: size, digest, and a strict load."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights.card import check_card, config_of, read_card
from app.segmenter.weights.registry import WeightsEntry, find_digest


@dataclass(frozen=True, slots=True)
class VerifiedWeights:
    """What `verify` found out about a file that passed."""

    path: Path
    size_bytes: int
    sha256: str
    name: str | None
    """Its name in the registry or on its card; None when there is neither."""
    config: str | None
    """The config that it was loaded with, strictly; None when no config is known, and so nothing was loaded."""


def verify(path: Path, *, entry: WeightsEntry | None = None, config: str | None = None) -> VerifiedWeights:
    """Check a checkpoint as thoroughly as it can be checked without running it.

    Parameters
    ----------
    path : Path
        The file.
    entry : WeightsEntry, optional
        What the file must be. By default any checkpoint will do, and a published one is recognised by its digest.
    config : str, optional
        SAM 2.1 config, a name or a YAML file, to load it with; default: the one of the entry, or of its card.

    Returns
    -------
    VerifiedWeights
        What it is, and with which config it loads.

    Raises
    ------
    WeightsUnavailable
        There is no such file, or it cannot be read.
    WeightsCorrupt
        Size or digest differ from the entry's or the card's, its parameters are not those of the config, or its card
        is not a card, or names an unknown config.
    """
    sha256 = check_file(path, entry) if entry else file_sha256(path)
    known = entry or find_digest(sha256)
    card = read_card(path)
    if card is not None:
        check_card(path, card, sha256)
    config = config or (known.config if known else config_of(path, card) if card else None)
    if config is not None:
        from app.segmenter.checkpoint import load_checkpoint  # torch: only when a model is really built

        load_checkpoint(path, config)
    return VerifiedWeights(
        path=path,
        size_bytes=path.stat().st_size,
        sha256=sha256,
        name=known.name if known else card.name if card else None,
        config=config,
    )


def check_file(path: Path, entry: WeightsEntry) -> str:
    """Give the digest of a file that is byte for byte the entry's.

    Raises
    ------
    WeightsUnavailable
        There is no such file, or it cannot be read.
    WeightsCorrupt
        Its size or its digest is another.
    """
    size_bytes = _stat_size(path)
    if size_bytes != entry.size_bytes:
        raise WeightsCorrupt(
            f"{path} has {size_bytes:,} bytes, but {entry.name} has {entry.size_bytes:,}: {_remedy(entry)}.",
            path=str(path),
            size_bytes=size_bytes,
            expected_bytes=entry.size_bytes,
        )
    sha256 = file_sha256(path)
    if sha256 != entry.sha256:
        raise WeightsCorrupt(
            f"{path} has sha256 {sha256}, but {entry.name} has {entry.sha256}: {_remedy(entry)}.",
            path=str(path),
            sha256=sha256,
            expected_sha256=entry.sha256,
        )
    return sha256


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file, in lower-case hexadecimal.

    Raises
    ------
    WeightsUnavailable
        There is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _stat_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> WeightsUnavailable:
    return WeightsUnavailable(f"Cannot read the checkpoint {path}: {error.strerror}.", path=str(path))


def _remedy(entry: WeightsEntry) -> str:
    return f"fetch it again with `python -m app weights pull {entry.name}`"
