from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import assemble
from app.settings import Settings
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

BOX = "POLYGON ((420 320, 580 320, 580 480, 420 480, 420 320))"
SECRET = "a secret of the tests"


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate({"api": {"shared_secret": SECRET, "max_body_bytes": 4096, "max_in_flight": 4}})


@pytest.fixture
def gateway() -> FakeGateway:
    found = FakeGateway(annotations={7: annotation(7, BOX)})
    found.add_point(11, 500, 400)
    return found


@pytest.fixture
def segmenter() -> DarkSegmenter:
    return DarkSegmenter()


@pytest.fixture
def reader() -> DiscReader:
    return DiscReader()


@pytest.fixture
def client(
    settings: Settings, gateway: FakeGateway, reader: DiscReader, segmenter: DarkSegmenter
) -> Iterator[TestClient]:
    app = assemble(settings, gateway, reader, segmenter)
    with TestClient(app, headers={"X-Refine-Secret": SECRET}, raise_server_exceptions=False) as client:
        yield client
