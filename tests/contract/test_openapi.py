"""The contract as a file: what the service declares, and that it keeps to it under generated requests."""

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from app.main import assemble
from app.settings import Settings
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

SECRET = "a secret of the tests"
COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "api" / "openapi.json"
BOX = "POLYGON ((420 320, 580 320, 580 480, 420 480, 420 320))"

app = assemble(
    Settings.model_validate({"api": {"shared_secret": SECRET}}),
    FakeGateway(annotations={number: annotation(number, BOX) for number in range(1, 6)}),
    DiscReader(),
    DarkSegmenter(),
)
schema = schemathesis.openapi.from_asgi("/sam/openapi.json", app)


def test_the_committed_contract_is_the_one_served() -> None:
    served = app.openapi()
    assert json.loads(COMMITTED.read_text()) == served, "the contract changed: make openapi, and review the difference"


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_gets_an_undeclared_answer(case: schemathesis.Case) -> None:
    case.headers["X-Refine-Secret"] = SECRET
    answer = case.call()
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
            schemathesis.checks.response_schema_conformance,
        ],
    )


@pytest.mark.parametrize(
    "route",
    [
        "/sam/autonomous_prediction",
        "/sam/annotations/{annotation_id}/refine",
        "/sam/prediction",
        "/sam/smart_prediction",
        "/sam/ready",
        "/health",
        "/",
        "/metrics",
    ],
)
def test_the_routes_of_the_contract_are_there(route: str) -> None:
    assert route in app.openapi()["paths"]
