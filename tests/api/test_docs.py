"""The page of the HTTP interface, as a machine without the internet sees it."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient

from app.main import assemble
from app.settings import Settings
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

ADDRESS = re.compile(r"""(?:src|href)="([^"]*)"|url: *'([^']*)'""")


def named(page: str) -> list[str]:
    return ["".join(pair) for pair in ADDRESS.findall(page)]


@pytest.mark.parametrize("prefix", ["", "/mounted"])
def test_all_that_the_page_needs_comes_from_the_service(settings: Settings, gateway: FakeGateway, prefix: str) -> None:
    app = assemble(settings, gateway, DiscReader(), DarkSegmenter())
    with TestClient(app, root_path=prefix) as client:
        page = client.get(f"{prefix}/sam/docs")
        found = {name: client.get(urljoin(str(page.url), name)) for name in named(page.text)}
    kinds = {answer.headers["content-type"].partition(";")[0] for answer in found.values()}
    assert {urlsplit(str(answer.url)).netloc for answer in found.values()} == {"testserver"}
    assert {answer.status_code for answer in found.values()} == {200}
    assert kinds == {"text/javascript", "text/css", "image/png", "application/json"}


def test_the_page_names_no_other_host(client: TestClient) -> None:
    page = client.get("/sam/docs")
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL)
    assert page.headers["content-security-policy"].startswith("default-src 'self'")


def test_the_page_can_be_switched_off(settings: Settings, gateway: FakeGateway) -> None:
    api = settings.api.model_copy(update={"docs": False})
    app = assemble(settings.model_copy(update={"api": api}), gateway, DiscReader(), DarkSegmenter())
    with TestClient(app) as client:
        for name in ("", "/swagger-ui-bundle.js", "/swagger-ui.css", "/favicon.png"):
            assert client.get(f"/sam/docs{name}").status_code == 404


@pytest.mark.parametrize("name", ["redoc.standalone.js", "%2e%2e/core.py", "nothing"])
def test_nothing_else_of_the_viewer_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/sam/docs/{name}").status_code == 404
