"""Note on an annotation where its outline comes from: model, prompts, confidence. For people, and never read here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from app.errors import ServiceError
from app.geometry.prompts import PointLabel
from app.usecases.ports import Claim, SlideGateway
from app.usecases.prompt_session import Click
from app.usecases.recipe import Recipe
from app.usecases.refinement import Refinement

KEY = "refined-with-sam"
MOST_CHARACTERS = 255
"""Core's column may hold no more."""
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class NoteProvenance:
    """The verb, with the room it needs."""

    gateway: SlideGateway
    claim: Claim = Claim()

    def __call__(self, refinement: Refinement) -> Refinement:
        """Note where a stored outline comes from; never raises.

        What is noted is one more command, the last of those that a whole undo takes back. That it could not be noted is
        told and changes nothing else.
        """
        recipe = refinement.recipe
        if refinement.outcome != "changed" or recipe is None:
            return refinement
        if not self.claim.stands:
            return replace(refinement, provenance="too late")
        try:
            command = self.gateway.put_property(refinement.annotation_id, KEY, _told(refinement, recipe))
        except ServiceError:
            return replace(refinement, provenance="failed")
        commands = refinement.commands if command is None else (*refinement.commands, command)
        return replace(refinement, provenance="noted", commands=commands)


def _told(refinement: Refinement, recipe: Recipe) -> str:
    """Tell it in a line; where there are too many prompts for that, their number."""
    prompts = (*recipe.clicks, *recipe.points)
    told: dict[str, object] = {
        "model": refinement.model.name,
        "sha256": refinement.model.sha256[:_DIGEST_CHARACTERS],
        "mask": recipe.account.proposal,
        "confidence": round(recipe.account.judged.confidence, 3),
        "box": [round(value, 1) for value in recipe.first_box],
    }
    whole = json.dumps({**told, "prompts": [_short(each) for each in prompts]}, separators=(",", ":"))
    if len(whole) <= MOST_CHARACTERS:
        return whole
    return json.dumps({**told, "prompts": len(prompts)}, separators=(",", ":"))[:MOST_CHARACTERS]


def _short(click: Click) -> str:
    return f"{'+' if click.label is PointLabel.FOREGROUND else '-'}{click.x:.0f},{click.y:.0f}"
