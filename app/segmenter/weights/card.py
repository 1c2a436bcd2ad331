"""The card beside a checkpoint: ``NAME.json`` says of ``NAME.pt`` which config it needs and what its digest is.

It may also say how to judge the checkpoint's masks (decisions 0033 and 0034), and whether it learned points
(``"point_prompt": {"learned": false}``, decision 0057). Nothing of a card is ever run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import WeightsCorrupt
from app.geometry.judgement import UNJUDGED, Judgement
from app.segmenter.weights.judgement import read_judgement
from app.segmenter.weights.registry import REGISTRY

MOST_BYTES = 4 * 2**20
"""Of a card; whole curves of a training fit in a hundredth of it."""
_MOST_CHARACTERS = 1000
_CONFIGS = frozenset({"embedded", *(entry.config for entry in REGISTRY)})


@dataclass(frozen=True, slots=True)
class Card:
    """What the service reads of a card; people read the rest."""

    name: str
    config: str
    """As the card says; `config_of` says whether it may be used."""
    sha256: str
    judgement: Judgement = UNJUDGED


def card_of(checkpoint: Path) -> Path:
    """Tell where the card of a checkpoint lies."""
    return checkpoint.with_suffix(".json")


def read_card(checkpoint: Path) -> Card | None:
    """Read the card of a checkpoint; None where there is none.

    Raises
    ------
    WeightsCorrupt
        There is a file of that name which is none; says what is wrong with it.
    """
    file = card_of(checkpoint)
    if not file.is_file():
        return None
    try:
        content = _content(file)
        said = [_text(content, member) for member in ("name", "config", "sha256")]
        needs_box = not _learned_points(content.get("point_prompt"))
        judgement = replace(read_judgement(content.get("judgement")), needs_box=needs_box)
        return Card(said[0], said[1], said[2], judgement)
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise WeightsCorrupt(f"{file} is not the card of a checkpoint: {reason}.") from error


def _content(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES:,} bytes")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content


def _text(content: dict[str, Any], member: str) -> str:
    text = content.get(member)
    if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= _MOST_CHARACTERS:
        raise ValueError(f"it lacks name, config or sha256 ({member} is not plain text)")
    return text


def _learned_points(content: object) -> bool:
    """Read whether the checkpoint learned to outline what a point alone shows; one that does not say so did, as SAM."""
    if content is None:
        return True
    if not isinstance(content, dict) or not isinstance(content.get("learned"), bool):
        raise ValueError("point_prompt does not say whether it was learned")
    return bool(content["learned"])


def judgement_of(checkpoint: Path, sha256: str) -> Judgement:
    """Give what the card of a checkpoint that is known by its digest says of its masks; all else is known already.

    Raises
    ------
    WeightsCorrupt
        The card is none, or that of another checkpoint.
    """
    card = read_card(checkpoint)
    if card is None:
        return UNJUDGED
    check_card(checkpoint, card, sha256)
    return card.judgement


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
            f"{card_of(checkpoint)} names the config {card.config!r}, but a card may only name one of"
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
            f"{checkpoint} has sha256 {sha256}, but its card {card_of(checkpoint).name} says {card.sha256}.",
            path=str(checkpoint),
            sha256=sha256,
            expected_sha256=card.sha256,
        )
