"""The examples of the contract are what the service takes and gives, member by member."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.api.bodies import ProblemBody, RefineResult
from app.api.problems import KINDS
from app.api.schemas import RefineRequest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "api" / "examples"
CLICKS = json.loads((EXAMPLES / "clicks.json").read_text())["exchanges"]


@pytest.mark.parametrize("exchange", CLICKS, ids=lambda exchange: exchange["what"])
def test_an_exchange_is_as_the_schemas_have_it(exchange: dict[str, Any]) -> None:
    RefineRequest.model_validate_json(json.dumps(exchange["request"]))
    answer = exchange["answer"]
    if exchange["status"] == 200:
        RefineResult.model_validate_json(json.dumps(answer))
        assert answer.keys() == RefineResult.model_fields.keys()
        return
    ProblemBody.model_validate_json(json.dumps(answer))
    kind = next(each for each in KINDS.values() if f"urn:cytomine-refine:{each.type}" == answer["type"])
    assert (answer["title"], answer["status"]) == (kind.title, kind.status) == (kind.title, exchange["status"])
