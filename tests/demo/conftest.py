"""One embedded Cytomine for the tests of the stand-in, and small casts of people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from cytomine import Cytomine

from app.gateway.http import CoreHttp
from app.settings import PlatformSettings
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import Lab, settle


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, "no service")
    cytomine.faults.clear()


@dataclass
class Core:
    """Signed raw calls, with their statuses."""

    url: str

    def call(self, user: User, method: str, path: str, body: object = None) -> httpx.Response:
        """Call as a user; the signature is the official client's own."""
        import requests

        settings = PlatformSettings(host=self.url, public_key=user.public_key, private_key=user.private_key)
        http = CoreHttp(settings)
        from app.gateway import http as gateway_http

        answer = requests.request(
            method,
            f"{self.url}/{path}",
            json=body,
            headers=gateway_http._headers(method),
            auth=http._auth,
            timeout=20,
            allow_redirects=False,
        )
        return httpx.Response(answer.status_code, headers={**answer.headers}, content=answer.content)


@pytest.fixture
def core(cytomine: EmbeddedCytomine) -> Core:
    return Core(cytomine.base_url)


@pytest.fixture
def client(lab: Lab) -> Iterator[Cytomine]:
    """Log alice in with the official client, unchanged."""
    keys = (lab.alice.public_key, lab.alice.private_key)
    with Cytomine(lab.cytomine.base_url, *keys, use_cache=False, configure_logging=False) as connected:
        yield connected
