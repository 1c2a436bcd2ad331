"""Where an outline comes from is noted after it is stored, fails nothing, and is never read as a prompt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.errors import PlatformForbidden, PlatformTimeout, ServiceError
from app.geometry.prompts import PointLabel
from app.usecases.note_provenance import KEY, MOST_CHARACTERS, NoteProvenance
from app.usecases.ports import Claim
from app.usecases.prompt_session import Click
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.refinement import Refinement
from tests.fakes.rooms import FakeGateway
from tests.usecases.conftest import BOX

ON, OFF = PointLabel.FOREGROUND, PointLabel.BACKGROUND


@pytest.fixture
def refined(refine: RefineAnnotation) -> Refinement:
    clicks = (Click(500.4, 400, ON), Click(430, 330, OFF))
    return refine(7, RefineOptions(clicks=clicks, points="ignore"))


def test_it_tells_model_prompts_first_box_and_confidence(gateway: FakeGateway, refined: Refinement) -> None:
    noted = NoteProvenance(gateway)(refined)
    assert noted.provenance == "noted"
    assert noted.commands == (*refined.commands, 99)
    told = json.loads(gateway.properties[7, KEY])
    assert told.keys() == {"model", "sha256", "mask", "confidence", "box", "prompts"}
    assert (told["model"], told["sha256"]) == ("dark", "0" * 12)
    assert told["box"] == [420, 320, 580, 480]
    assert told["prompts"] == ["+500,400", "-430,330"]
    assert gateway.annotations[7].location != BOX


def test_points_are_prompts_as_well(gateway: FakeGateway, refine: RefineAnnotation) -> None:
    NoteProvenance(gateway)(refine(7, RefineOptions()))
    assert json.loads(gateway.properties[7, KEY])["prompts"] == ["+500,400", "+510,410"]


@pytest.mark.parametrize("name", ["dark", "a name that nobody would give to a model " * 20])
def test_it_is_never_longer_than_core_can_hold(gateway: FakeGateway, refined: Refinement, name: str) -> None:
    assert refined.recipe is not None
    many = replace(refined.recipe, clicks=tuple(Click(at * 7.0, at * 5.0, ON) for at in range(200)))
    NoteProvenance(gateway)(replace(refined, recipe=many, model=replace(refined.model, name=name)))
    text = gateway.properties[7, KEY]
    assert len(text) <= MOST_CHARACTERS
    if name == "dark":
        assert json.loads(text)["prompts"] == 200


@pytest.mark.parametrize("error", [PlatformForbidden("no"), PlatformTimeout("slow")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_that_it_fails_is_told_and_fails_nothing(
    gateway: FakeGateway, refined: Refinement, error: ServiceError, when: str
) -> None:
    gateway.fail_on = {len(gateway.writes) + 1: (error, when)}
    noted = NoteProvenance(gateway)(refined)
    assert noted == replace(refined, provenance="failed")


def test_an_annotation_that_is_gone_fails_nothing(gateway: FakeGateway, refined: Refinement) -> None:
    gateway.annotations.clear()
    assert NoteProvenance(gateway)(refined).provenance == "failed"


def test_nothing_is_noted_after_the_deadline(gateway: FakeGateway, refined: Refinement) -> None:
    assert NoteProvenance(gateway, Claim(deadline=0.0))(refined).provenance == "too late"
    assert gateway.properties == {}


def test_nothing_is_noted_where_nothing_was_written(gateway: FakeGateway, refine: RefineAnnotation) -> None:
    shown = refine(7, RefineOptions(dry_run=True))
    assert NoteProvenance(gateway)(shown) == shown
    assert gateway.writes == []
