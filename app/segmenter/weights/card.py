"""The card beside a checkpoint: ``NAME.json`` says of ``NAME.pt`` which config it needs and what its digest is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.errors import WeightsCorrupt
from app.segmenter.weights.registry import REGISTRY

_CONFIGS = frozenset({"embedded", *(entry.config for entry in REGISTRY)})


@dataclass(frozen=True, slots=True)
class Card:
    """What the service reads of a card; people read the rest."""

    name: str
    config: str
    """As the card says; `config_of` says whether it may be used."""
    sha256: str


def read_card(checkpoint: Path) -> Card | None:
    """Read the card of a checkpoint; None where there is none.

    Raises
    ------
    WeightsCorrupt
        There is a file of that name which says neither config nor digest.
    """
    file = checkpoint.with_suffix(".json")
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Card(str(content["name"]), str(content["config"]), str(content["sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsCorrupt(f"{file} is no card of a checkpoint: it lacks name, config or sha256.") from error


def config_of(checkpoint: Path, card: Card) -> str:
    """Give the config that a card names, if it is one of ours.

    A config as a file says which code builds the model, whatever code that is: operators may name one, cards may not.

    Raises
    ------
    WeightsCorrupt
        The card names another one.
    """
    if card.config not in _CONFIGS:
        raise WeightsCorrupt(
            f"{checkpoint.with_suffix('.json')} names the config {card.config!r}, but a card may only name one of"
            f" {', '.join(sorted(_CONFIGS))}. If you trust that config, name it yourself: --config, or"
            " REFINE_SEGMENTER__CONFIG.",
            config=card.config,
        )
    return card.config


def check_card(checkpoint: Path, card: Card, sha256: str) -> None:
    """Make sure that a card and a checkpoint belong together.

    Raises
    ------
    WeightsCorrupt
        The digest is another.
    """
    if card.sha256 != sha256:
        raise WeightsCorrupt(
            f"{checkpoint} has sha256 {sha256}, its card {checkpoint.with_suffix('.json').name} says {card.sha256}.",
            path=str(checkpoint),
            sha256=sha256,
            expected_sha256=card.sha256,
        )
