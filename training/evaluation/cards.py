"""Cards of checkpoints: what `evaluate --calibrate` writes into them, and which slides they say were left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.segmenter.weights.card import card_of, check_card, read_card
from app.segmenter.weights.judgement import write_judgement
from training.errors import telling_of_full_disks
from training.evaluation.calibrate import Judged
from training.models import Loaded


def left_out(checkpoint: Path | None) -> frozenset[str]:
    """Name the images that a checkpoint says were kept from its training; empty where its card names none."""
    content = _content(checkpoint) if checkpoint else {}
    names = content.get("left_out_for_validation", [])
    return frozenset(str(name) for name in names) if isinstance(names, list) else frozenset()


def judgement_on_a_card(judged: Judged) -> dict[str, Any]:
    """Give the member of a card that holds a judgement, with what people may want to know of it."""
    return {**write_judgement(judged.judgement), "measured": judged.about()}


def write_card(loaded: Loaded, judged: Judged) -> Path | None:
    """Write a judgement into the card of a checkpoint, which is made if there is none; None where there is no file.

    Raises
    ------
    WeightsCorrupt
        There is a card, which is none or that of another checkpoint.
    NoSpace
        The disk is full; the card is as it was.
    """
    if loaded.path is None:
        return None
    card, file = read_card(loaded.path), card_of(loaded.path)
    if card is not None:
        check_card(loaded.path, card, loaded.sha256)
    named = {"name": loaded.name, "config": loaded.config, "sha256": loaded.sha256}
    content = {**named, **_content(loaded.path), "judgement": judgement_on_a_card(judged)}
    part = file.with_suffix(".part")
    with telling_of_full_disks(str(file)):
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(file)
    return file


def _content(checkpoint: Path) -> dict[str, Any]:
    if read_card(checkpoint) is None:
        return {}
    content: dict[str, Any] = json.loads(card_of(checkpoint).read_text(encoding="utf-8"))
    return content
