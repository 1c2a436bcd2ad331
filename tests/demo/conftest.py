"""One embedded Cytomine for the tests of the stand-in, and small casts of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import httpx
import pytest
import requests
from cytomine import Cytomine

from demo.cytomine.identity import sign
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

    def call(
        self,
        user: User | None,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> httpx.Response:
        """Call as a user, or as nobody; signed as the official client signs."""
        given = {"accept": "application/json, */*", "date": "Sat, 28 Nov 2026 09:00:00 +0000", **headers}
        asked = requests.Request(method, f"{self.url}/{path}", json=body, files=files, headers=given).prepare()
        if user is not None:
            content_type = str(asked.headers.get("content-type", ""))
            text = "\n".join((method, "", content_type, given["date"], asked.path_url))
            asked.headers["authorization"] = f"CYTOMINE {user.public_key}:{sign(user.private_key, text)}"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.send(asked, timeout=20, allow_redirects=False)
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
