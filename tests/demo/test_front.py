"""The demo's front: who gets a session, what becomes of a file, and what a page may do."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask
from demo.front import Front
from demo.seeding import Seeded
from tests.slides.writing import pyramid, spoil_tile, tissue

MOST = 300_000
NOBODY = "http://127.0.0.1:9/sam"
"""Where no service listens."""


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    folder = tmp_path_factory.mktemp("front")
    page = folder / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>Viewer</title>")
    (page / "assets" / "index-1234.js").write_text("1")
    front = Front(NOBODY, page=page, max_slide_bytes=MOST)
    with EmbeddedCytomine(folder, extend=front.extend) as embedded:
        assert httpx.get(f"{embedded.base_url}/demo/about", trust_env=False).status_code == 503
        store = embedded.store
        project = store.add_project("front")
        users = [store.add_user(name) for name in ("alice", "bob")]
        manager = store.add_user("manager")
        for user in users:
            store.add_member(project, user.id, Mask.WRITE)
        seeded = Seeded(project, users, manager, manager, "no secret")
        front.open(seeded, 7, [8, 9], {"total": 12.0})
        yield embedded


@pytest.fixture
def visitor(cytomine: EmbeddedCytomine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cytomine.base_url, trust_env=False) as client:
        yield client
    cytomine.faults.clear()


def enter(visitor: httpx.Client, username: str = "alice") -> dict[str, str]:
    return {"Authorization": f"Bearer {visitor.post(f'/demo/session/{username}').json()['token']}"}


def png(side: int = 300) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def tiff() -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, tile=(256, 256), photometric="rgb", compression="jpeg")
    return stream.getvalue()


def test_about(visitor: httpx.Client) -> None:
    about = visitor.get("/demo/about").json()
    assert [user["username"] for user in about["users"]] == ["alice", "bob"]
    assert (about["image"], about["annotations"], about["timings_ms"]) == (7, [8, 9], {"total": 12.0})
    assert about["max_slide_bytes"] == MOST
    assert (about["prepares"], about["warning"]) == (False, None)  # nobody listens there


def test_a_session_is_the_users_own(visitor: httpx.Client) -> None:
    for name in ("alice", "bob"):
        current = visitor.get("/api/user/current.json", headers=enter(visitor, name)).json()
        assert current["username"] == name


@pytest.mark.parametrize("name", ["manager", "nobody", "..%2Falice"])
def test_nobody_else_gets_one(visitor: httpx.Client, name: str) -> None:
    answer = visitor.post(f"/demo/session/{name}")
    assert answer.status_code in {404, 405}
    assert "token" not in answer.json()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1"},
        {"Host": "elsewhere.example"},
        {"Host": "127.0.0.1.elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "about"), ("POST", "session/alice"), ("POST", "embeddings"), ("POST", "slides/a.png")],
)
def test_other_pages_are_refused(visitor: httpx.Client, headers: dict[str, str], method: str, path: str) -> None:
    answer = visitor.request(method, f"/demo/{path}", headers=headers)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_own_page_is_not(visitor: httpx.Client, cytomine: EmbeddedCytomine) -> None:
    headers = {"Origin": cytomine.base_url, "Sec-Fetch-Site": "same-origin"}
    assert visitor.post("/demo/session/alice", headers=headers).status_code == 200


def test_a_slide_is_added(visitor: httpx.Client, cytomine: EmbeddedCytomine) -> None:
    token = enter(visitor, "bob")
    answer = visitor.post("/demo/slides/..%2F my slide%3F.png", content=png(), headers=token)
    assert answer.status_code in {404, 405}  # a name with a slash is no name
    answer = visitor.post("/demo/slides/my slide%3F.png", content=png(), headers=token)
    assert answer.status_code == 201
    image = visitor.get(f"/api/imageinstance/{answer.json()['image']}.json", headers=token).json()
    assert (image["instanceFilename"], image["width"]) == ("my_slide_.png", 300)
    assert visitor.get(f"/ims/image/{image['path']}/info").json()["image"]["height"] == 300
    assert (cytomine.slides / image["path"]).is_file()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"no slide at all", 422),
        (b"", 422),
        (png()[:60_000], 422),
        (tiff()[:60_000], 422),
        (png(400), 413),
    ],
    ids=["text", "nothing", "half a PNG", "half a TIFF", "too large"],
)
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_what_is_refused_leaves_nothing(
    visitor: httpx.Client, cytomine: EmbeddedCytomine, content: bytes, status: int, announced: bool
) -> None:
    before = sorted(cytomine.slides.rglob("*"))
    body = content if announced else iter([content[:1000], content[1000:]])
    answer = visitor.post("/demo/slides/a.png", content=body, headers=enter(visitor))
    assert answer.status_code == status
    assert answer.json()["title"]
    assert "/" not in answer.json()["detail"]  # no path of this machine
    assert sorted(cytomine.slides.rglob("*")) == before


def test_a_slide_with_a_damaged_place_is_added(visitor: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    pyramid(file, tissue(768, 768))
    spoil_tile(file, 0)
    token = enter(visitor)
    answer = visitor.post("/demo/slides/a.tif", content=file.read_bytes(), headers=token)
    assert answer.status_code == 201, answer.text
    path = visitor.get(f"/api/imageinstance/{answer.json()['image']}.json", headers=token).json()["path"]
    for left, status in ((0, 500), (300, 200)):
        body = {"region": {"left": left, "top": left, "width": 200, "height": 200}, "level": 0}
        window = visitor.post(f"/ims/image/{path}/window", json=body, headers={"Accept": "image/png"})
        assert window.status_code == status


def things_in(folder: Path) -> set[str]:
    """Name all files and folders below a folder, while others take some away."""
    return {f"{place}/{name}" for place, folders, files in os.walk(folder) for name in (*folders, *files)}


def test_an_upload_that_breaks_off_leaves_nothing(visitor: httpx.Client, cytomine: EmbeddedCytomine) -> None:
    before = things_in(cytomine.slides)

    def broken() -> Iterator[bytes]:
        yield b"some bytes"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        visitor.post("/demo/slides/a.png", content=broken(), headers=enter(visitor))
    visitor.close()
    give_up = time.monotonic() + 60
    while things_in(cytomine.slides) != before:
        assert time.monotonic() < give_up, things_in(cytomine.slides)
        time.sleep(0.05)


def test_only_members_add_slides(visitor: httpx.Client, cytomine: EmbeddedCytomine) -> None:
    assert visitor.post("/demo/slides/a.png", content=png()).status_code == 401
    cytomine.store.add_user("carol", password="carol")
    login = visitor.post("/api/authenticate", json={"username": "carol", "password": "carol"}).json()
    headers = {"Authorization": f"Bearer {login['token']}"}
    answer = visitor.post("/demo/slides/a.png", content=png(), headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (403, "Not allowed")


def test_preparing_without_a_service(visitor: httpx.Client) -> None:
    assert visitor.post("/demo/embeddings", json={"annotation_id": 1}, headers=enter(visitor)).status_code == 204


def test_outlining_without_a_service(visitor: httpx.Client) -> None:
    answer = visitor.post("/demo/prediction", json={}, headers=enter(visitor))
    assert (answer.status_code, answer.json()["title"]) == (502, "The refine service cannot be reached")


def test_outlining_with_a_service_that_breaks_off(tmp_path: Path) -> None:
    """Nothing is written by it, so nobody is told that something may have been."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        front = Front(f"http://127.0.0.1:{listener.getsockname()[1]}/sam", page=tmp_path / "none")
        with EmbeddedCytomine(tmp_path, extend=front.extend) as embedded:
            answer = httpx.post(f"{embedded.base_url}/demo/prediction", json={}, trust_env=False)
    assert (answer.status_code, answer.json()["written"]) == (504, False)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page(visitor: httpx.Client) -> None:
    page = visitor.get("/")
    assert "Viewer" in page.text
    assert page.headers["cache-control"] == "no-cache"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "immutable" in visitor.get("/assets/index-1234.js").headers["cache-control"]
    assert visitor.get("/api/user/current.json").status_code == 401  # Core is still where it was


def test_no_page_without_a_build(tmp_path: Path) -> None:
    front = Front(NOBODY, page=tmp_path / "missing")
    assert not front.has_page
    with EmbeddedCytomine(tmp_path, extend=front.extend) as embedded:
        assert httpx.get(embedded.base_url, trust_env=False).status_code == 404


def test_a_bare_cytomine_has_no_front(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path) as embedded:
        assert httpx.post(f"{embedded.base_url}/demo/session/alice", trust_env=False).status_code == 404


@pytest.mark.parametrize(("published", "status"), [(False, 403), (True, 503)])
def test_a_published_port_lets_in_who_reaches_it_by_this_machines_name(
    tmp_path: Path, published: bool, status: int
) -> None:
    front = Front(NOBODY, page=tmp_path / "missing", published=published)
    with EmbeddedCytomine(tmp_path, host="0.0.0.0", extend=front.extend) as embedded:
        through_a_bridge = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(base_url=embedded.base_url, transport=through_a_bridge) as visitor:
            assert visitor.get("/demo/about").status_code == status  # 503: it is let in, and the demo is not open yet
            assert visitor.get("/demo/about", headers={"Host": "evil.example"}).status_code == 403
