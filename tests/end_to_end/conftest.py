"""One service and one embedded Cytomine for all tests of the whole; each test gets a project of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.cytomine.server import EmbeddedCytomine
from tests.lab import Lab, serving, settings_for, settle


@pytest.fixture(scope="session")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def service_url(cytomine: EmbeddedCytomine) -> Iterator[str]:
    with serving(settings_for(cytomine)) as url:
        yield url


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, service_url: str, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, service_url)
    cytomine.faults.clear()
