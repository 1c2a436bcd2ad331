"""The route through the real nginx: who gets through, and that nothing on the way is changed."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Role
from scripts.join import allow_list
from scripts.patch import apply, steps_of
from tests.end_to_end.test_rights import signed
from tests.fakes.scripted_server import Answer, ScriptedServer
from tests.lab import BOX, DISC_X, DISC_Y, free_port, serving, settings_for, settle

ROOM = Path(__file__).resolve().parents[2] / "nginx"
JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
PROBLEM = b'{"type":"urn:cytomine-refine:model-busy","title":"The model is busy","status":503,"detail":"Wait."}'

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx on this machine (apt install nginx-light)")


def configuration(folder: Path, port: int, upstream: str, proxy_name: str, read_timeout: str, core: str | None) -> str:
    """Patch the template and put in the names that every Cytomine has, as the image's entry point does."""
    shutil.copy(Path(__file__).with_name("nginx.conf.sample"), folder)
    apply(steps_of(ROOM, folder))
    if core:
        (folder / "refine-core.conf").write_text(allow_list([core]))
    environment = {
        "RESOLVER": "127.0.0.1",
        "URLS_INTERNAL_PROXY": proxy_name,
        "URLS_SCHEME": "http",
        "INTERNAL_URLS_CORE": "127.0.0.1:9",
        "INTERNAL_URLS_IMS": "127.0.0.1:9",
    }
    for sample in folder.glob("*.sample"):
        text = re.sub(r"\$([A-Z_0-9]+)\b", lambda name: environment[name[1]], sample.read_text())
        sample.with_suffix("").write_text(text.replace("/etc/nginx/", f"{folder}/"))
    route = folder / "refine.conf"
    text = route.read_text().replace("proxy_read_timeout 150s", f"proxy_read_timeout {read_timeout}")
    route.write_text(text.replace("refine:6000", upstream))
    own = f"daemon off; master_process off; error_log stderr; pid {folder}/pid;\n"
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = (folder / "nginx.conf").read_text().replace("listen 80", f"listen 127.0.0.1:{port}")
    return own + main.replace("http {", f"http {{\naccess_log off;\n{paths}", 1)


@contextmanager
def proxy(
    folder: Path,
    upstream: str,
    *,
    proxy_name: str = "nginx",
    port: int = 0,
    read_timeout: str = "150s",
    core: str | None = "127.0.0.1",
) -> Iterator[str]:
    """Run nginx before an upstream; gives its base URL."""
    port = port or free_port()
    file = folder / "made.conf"
    file.write_text(configuration(folder, port, upstream, proxy_name, read_timeout, core))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", file], stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(100):
            assert process.poll() is None, process.stderr and process.stderr.read()
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


REFINE = "/sam/annotations/7/refine"


@pytest.fixture
def upstream() -> Iterator[ScriptedServer]:
    """Something in the service's place that keeps what it got."""
    server = ScriptedServer()
    server.answers = {REFINE: Answer(), "/sam/prediction": Answer(), "/sam/autonomous_prediction": Answer()}
    with server.serving():
        yield server


def address(server: ScriptedServer) -> str:
    return server.url.removeprefix("http://")


def post(url: str, path: str, *, host: str = "nginx", come_from: str = "127.0.0.1", **sent: object) -> httpx.Response:
    headers = {"host": host, **sent.pop("headers", {})}  # type: ignore[dict-item]
    with httpx.Client(transport=httpx.HTTPTransport(local_address=come_from), timeout=60) as client:
        return client.post(f"{url}{path}", headers=headers, **sent)  # type: ignore[arg-type]


def test_path_query_body_and_credentials_arrive_as_they_were_sent(tmp_path: Path, upstream: ScriptedServer) -> None:
    path = "/sam/autonomous_prediction?annotation_id=7&points=%61uto&x=a%2Fb+c&&y="
    given = {"authorization": "CYTOMINE abc:d+/=", "date": "Mon, 23 Nov 2026 03:31:54 +0000"}
    with proxy(tmp_path, address(upstream)) as url:
        assert post(url, path, content=b"body", headers=given).status_code == 200
    seen = upstream.calls[0]
    assert seen.path == path
    assert given.items() <= seen.headers.items()
    assert seen.body == b"body"


@pytest.mark.parametrize("host", ["nginx", "cytomine.example"])
def test_the_public_never_gets_through(tmp_path: Path, upstream: ScriptedServer, host: str) -> None:
    paths = (
        REFINE,
        "//sam/annotations/7/refine",
        "/api/../sam/x",
        "/sam%2Fx",
        "/%73am/x",
        "/SAM/x",
    )
    with proxy(tmp_path, address(upstream)) as url:
        for path in paths:
            post(url, path, host=host, come_from="127.0.0.2", headers={"x-forwarded-for": "127.0.0.1"})
        assert upstream.calls == []
        refused = post(url, paths[0], host="nginx", come_from="127.0.0.2")
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["title"] == "Not open to the public"
    assert (refused.json()["allowed"], refused.json()["sender"]) == ("127.0.0.1", "127.0.0.2")


def test_without_an_allow_list_nginx_starts_and_nobody_passes(tmp_path: Path, upstream: ScriptedServer) -> None:
    with proxy(tmp_path, address(upstream), core=None) as url:
        assert post(url, "/", host="cytomine.example").text == "the web UI"
        refused = post(url, REFINE)
    assert refused.status_code == 403
    assert refused.json()["allowed"] == "nobody"
    assert upstream.calls == []


def test_from_inside_the_public_name_shows_the_web_ui_only(tmp_path: Path, upstream: ScriptedServer) -> None:
    with proxy(tmp_path, address(upstream)) as url:
        assert post(url, REFINE, host="cytomine.example").text == "the web UI"
    assert upstream.calls == []


def test_problems_and_retry_after_pass(tmp_path: Path, upstream: ScriptedServer) -> None:
    upstream.answers[REFINE] = Answer(503, PROBLEM, "application/problem+json", {"Retry-After": "7"})
    with proxy(tmp_path, address(upstream)) as url:
        answer = post(url, REFINE)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers
    assert answer.content == PROBLEM


def test_a_slow_service_is_504_and_is_asked_once(tmp_path: Path, upstream: ScriptedServer) -> None:
    upstream.answers[REFINE] = Answer(wait_s=20)
    with proxy(tmp_path, address(upstream), read_timeout="1s") as url:
        answer = post(url, REFINE)
    assert answer.status_code == 504
    assert answer.json()["title"] == "The refine service timed out"
    assert "may have changed" in answer.json()["detail"]
    assert len(upstream.calls) == 1


def test_a_service_that_breaks_off_is_asked_once(tmp_path: Path, upstream: ScriptedServer) -> None:
    upstream.answers[REFINE] = Answer(drop=True)
    with proxy(tmp_path, address(upstream)) as url:
        answer = post(url, REFINE)
    assert answer.status_code == 502
    assert answer.json()["type"] == "urn:cytomine-refine:service-broke-off"
    assert answer.json()["written"] is None
    assert "may have changed" in answer.json()["detail"]
    assert len(upstream.calls) == 1


def test_each_line_of_a_search_goes_on_before_the_next_is_said(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as service,
        proxy(tmp_path, f"127.0.0.1:{service.getsockname()[1]}") as url,
        httpx.Client(timeout=60) as core,
    ):
        asked = core.build_request("POST", f"{url}/sam/propose", json={}, headers={"host": "nginx"})
        with ThreadPoolExecutor(1) as beside:
            coming = beside.submit(core.send, asked, stream=True)
            connection, _ = service.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n")
            answer = coming.result()
        lines = answer.iter_lines()
        for line in ("1", "2", "3"):
            connection.sendall(f"{line}\n".encode())
            assert next(lines) == line
        answer.close()
        connection.settimeout(60)
        assert connection.recv(1) == b""  # whoever goes away is gone for the service, too
        connection.close()


def test_nginx_own_problems_are_for_no_other_site(tmp_path: Path, upstream: ScriptedServer) -> None:
    upstream.answers = {REFINE: Answer(drop=True), "/sam/slow": Answer(wait_s=20)}
    with proxy(tmp_path, address(upstream), read_timeout="1s") as url:
        refusals = [
            post(url, REFINE, come_from="127.0.0.2"),
            post(url, REFINE, content=b"x" * (2 * 2**20 + 1)),
            post(url, REFINE),
            post(url, "/sam/slow"),
        ]
    assert [refusal.status_code for refusal in refusals] == [403, 413, 502, 504]
    for refusal in refusals:
        assert refusal.headers["content-type"] == "application/problem+json"
        assert "access-control-allow-origin" not in refusal.headers


def test_nginx_starts_without_the_service(tmp_path: Path) -> None:
    with proxy(tmp_path, f"127.0.0.1:{free_port()}") as url:
        answer = post(url, REFINE)
    assert answer.status_code == 502
    assert answer.json()["title"] == "The refine service is not available"
    assert "nothing was changed" in answer.json()["detail"]


@pytest.mark.long
def test_a_service_whose_name_is_unknown_stops_nothing_either(tmp_path: Path) -> None:
    with proxy(tmp_path, "refine:6000") as url:
        assert post(url, "/", host="cytomine.example").text == "the web UI"
        problem = post(url, REFINE).json()
        assert (problem["type"], problem["written"]) == ("urn:cytomine-refine:service-absent", False)


def test_large_bodies_stop_at_the_proxy(tmp_path: Path, upstream: ScriptedServer) -> None:
    with proxy(tmp_path, address(upstream)) as url:
        assert post(url, "/sam/prediction", content=b"x" * (2 * 2**20)).status_code == 200
        answer = post(url, "/sam/prediction", content=b"x" * (2 * 2**20 + 1))
    assert answer.status_code == 413
    assert answer.json()["title"] == "The request is too large"
    assert len(upstream.calls) == 1


def test_a_signature_survives_the_way(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path / "cytomine") as cytomine:
        account = cytomine.store.add_user("image-server", role=Role.SUPER_ADMIN)
        settings = settings_for(cytomine, signatures="full")
        platform = settings.platform.model_copy(
            update={
                "public_key": account.public_key,
                "private_key": type(settings.platform.private_key)(account.private_key),
            }
        )
        with serving(settings.model_copy(update={"platform": platform})) as service:
            folder = tmp_path / "nginx"
            folder.mkdir()
            with proxy(folder, service.removeprefix("http://")) as url:
                lab = settle(cytomine, "signed", service)
                path = f"/sam/annotations/{lab.draw(BOX)}/refine"
                answer = post(url, path, headers=signed(lab.alice, path))
    assert answer.status_code == 200, answer.text


def test_the_whole_way_with_real_processes(tmp_path: Path) -> None:
    """Core's addition, nginx, the service, Core and PIMS."""
    port = free_port()
    folder = tmp_path / "nginx"
    folder.mkdir()
    refine_url = f"http://127.0.0.1:{port}/sam"
    with (
        EmbeddedCytomine(tmp_path / "cytomine", jwt_secret=JWT_SECRET, refine_url=refine_url) as cytomine,
        serving(settings_for(cytomine)) as service,
        proxy(folder, service.removeprefix("http://"), port=port, proxy_name="127.0.0.1"),
    ):
        lab = settle(cytomine, "whole way", service)
        annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
        token = Identity("full", JWT_SECRET).token(lab.alice.username, "ROLE_USER", "SESSION", 60)
        answer = httpx.post(
            f"{cytomine.base_url}/api/annotation/{annotation}/sam",
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert lab.iou(annotation) > 0.8
        assert lab.location(point) is None
        strangers = Identity("full", JWT_SECRET).token("nobody", "ROLE_USER", "SESSION", 60)
        refused = post(
            f"http://127.0.0.1:{port}",
            f"/sam/annotations/{annotation}/refine",
            host="127.0.0.1",
            headers={"authorization": f"Bearer {strangers}"},
        )
        assert refused.status_code == 401
