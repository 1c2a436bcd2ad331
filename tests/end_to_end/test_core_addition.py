"""The whole way: Core's addition, the service, Core and PIMS, with the caller's own rights."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely

from demo.cytomine.identity import Identity, sign
from demo.cytomine.refine_line import WaitingLine
from demo.cytomine.refine_problems import Problem
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import User
from tests.lab import BOX, DISC_X, DISC_Y, Lab, settle, with_addition

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
SHARED = json.loads((Path(__file__).parents[2] / "docs/api/examples/core-addition.json").read_text())
"""What the tests of the Java files read too."""
DATE = "Mon, 23 Nov 2026 03:31:54 +0000"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), JWT_SECRET) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Lab:
    return settle(whole[0], request.node.nodeid, whole[1])


def bearer(user: User) -> dict[str, str]:
    token = Identity("full", JWT_SECRET).token(user.username, "ROLE_USER", "SESSION", 600)
    return {"authorization": f"Bearer {token}"}


def press(lab: Lab, path: str, headers: dict[str, str], **sent: object) -> httpx.Response:
    url = f"{lab.cytomine.base_url}{path}"
    return httpx.post(url, headers=headers, timeout=60, trust_env=False, **sent)  # type: ignore[arg-type]


def test_the_button_moves_the_outline_onto_the_object(lab: Lab) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    answer = press(lab, f"/api/annotation/{annotation}/sam", bearer(lab.alice))
    body = answer.json()
    assert answer.status_code == 200, body
    assert lab.iou(annotation) > 0.8
    assert shapely.from_wkt(body["annotation"]["location"]).equals(shapely.from_wkt(lab.location(annotation)))
    assert body["annotation"]["id"] == annotation
    assert body["command"] == body["refinement"]["command"]
    assert body["refinement"]["points_deleted"] == [point]
    undo = f"{lab.cytomine.base_url}/api/command/{body['command']}/undo.json"
    assert httpx.get(undo, headers=bearer(lab.alice), trust_env=False).status_code == 200
    assert lab.location(annotation) == BOX.wkt


def test_options_travel_in_the_query_or_the_body(lab: Lab) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    dry = press(lab, f"/api/annotation/{annotation}/sam.json?dryRun=true", bearer(lab.alice)).json()
    assert not dry["refinement"]["changed"]
    assert lab.location(annotation) == BOX.wkt
    kept = press(lab, f"/api/annotation/{annotation}/sam", bearer(lab.alice), json={"keepPoints": True}).json()
    assert kept["refinement"]["points_deleted"] == []
    assert lab.location(point) is not None
    wrong = press(lab, f"/api/annotation/{annotation}/sam?dry_run=true", bearer(lab.alice))
    assert wrong.status_code == 400
    assert "dryRun" in wrong.json()["detail"]


def test_what_is_previewed_is_written_or_nothing(lab: Lab) -> None:
    annotation, path = lab.draw(BOX), "/api/annotation/{}/sam"
    mine, hers = bearer(lab.alice), bearer(lab.cytomine.store.add_user("stranger"))
    click = {"x": DISC_X, "y": DISC_Y, "label": 1}
    asked = {"dryRun": True, "points": "ignore", "box": list(BOX.bounds), "clicks": [click]}
    assert press(lab, path.format(annotation), hers, json=asked).status_code == 403
    answer = press(lab, path.format(annotation), mine, json=asked).json()
    seen = answer["refinement"]
    assert lab.location(annotation) == BOX.wkt == answer["annotation"]["location"]
    assert (seen["changed"], answer["command"], len(seen["proposals"])) == (False, None, 3)
    other = press(lab, path.format(lab.draw(BOX)), mine, json={"preview": seen["preview"]})
    assert (other.status_code, other.json()["type"]) == (409, "urn:cytomine-refine:preview-unfit")
    done = press(lab, path.format(annotation), mine, json={"preview": seen["preview"]}).json()
    assert shapely.from_wkt(lab.location(annotation)).equals(shapely.from_wkt(seen["location"]))
    assert shapely.from_wkt(done["annotation"]["location"]).equals(shapely.from_wkt(seen["location"]))
    assert done["refinement"]["commands"] == [done["command"]]


def test_who_signs_with_keys_acts_as_themselves(lab: Lab) -> None:
    annotation = lab.draw(BOX, by=lab.bob)
    path = f"/api/annotation/{annotation}/sam"
    signature = sign(lab.bob.private_key, f"POST\n\n\n{DATE}\n{path}")
    headers = {"authorization": f"CYTOMINE {lab.bob.public_key}:{signature}", "date": DATE}
    answer = press(lab, path, headers)
    assert answer.status_code == 200, answer.text
    undo = f"{lab.cytomine.base_url}/api/command/undo.json"
    assert httpx.get(undo, headers=bearer(lab.bob), trust_env=False).status_code == 200
    assert lab.location(annotation) == BOX.wkt


def test_problems_of_the_service_pass_unchanged(lab: Lab) -> None:
    answer = press(lab, f"/api/annotation/{lab.draw('LINESTRING (1 1, 40 40)')}/sam", bearer(lab.alice))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


def test_rights_come_first(lab: Lab) -> None:
    annotation, stranger = lab.draw(BOX), lab.cytomine.store.add_user("stranger")
    assert press(lab, f"/api/annotation/{annotation}/sam", {}).status_code == 401
    assert press(lab, f"/api/annotation/{annotation}/sam", bearer(stranger)).status_code == 403
    assert press(lab, "/api/annotation/999999999/sam", bearer(lab.alice)).status_code == 404
    assert lab.location(annotation) == BOX.wkt


class Server(ThreadingHTTPServer):
    """With room for everybody who knocks at once."""

    request_queue_size = 64


class Service:
    """Stands for the service: it writes down what it is asked, and answers what a test wants when a test wants it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.status, self.answer, self.type = 200, b"", "application/json"
        self.gate = threading.Event()
        self.gate.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                owner.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                owner.gate.wait()
                if not owner.answer:
                    self.connection.close()
                    return
                self.send_response(owner.status)
                self.send_header("content-type", owner.type)
                self.send_header("content-length", str(len(owner.answer)))
                self.end_headers()
                self.wfile.write(owner.answer)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        self.server = Server(("127.0.0.1", 0), Handler)

    def says(self, case: dict[str, Any]) -> None:
        """Begin a shared case: answer its problem, or what they share."""
        self.asked.clear()
        self.status = case["status"] if "problem" in case else 200
        self.type = "application/problem+json" if "problem" in case else "application/json"
        self.answer = json.dumps(case.get("problem", SHARED["answer"])).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/sam"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with service.server:
        threading.Thread(target=service.server.serve_forever, args=(0.05,), daemon=True).start()
        yield service
        service.gate.set()
        service.server.shutdown()


@pytest.fixture
def addition(service: Service, tmp_path: Path) -> Iterator[Lab]:
    with EmbeddedCytomine(tmp_path, jwt_secret=JWT_SECRET, refine_url=service.url, refine_wait_s=300) as cytomine:
        yield settle(cytomine, "addition", service.url)


def test_the_java_files_and_this_core_answer_the_same_cases(addition: Lab, service: Service) -> None:
    for case in SHARED["cases"]:
        service.says(case)
        annotation = addition.draw(BOX)
        headers = bearer(addition.alice) | ({"content-type": case["type_sent"]} if "type_sent" in case else {})
        path = case["path"].replace("{id}", str(annotation))
        sent = case.get("body", "{}".ljust(case.get("body_bytes", 0)) if "body_bytes" in case else "")
        answer = press(addition, path, headers, content=sent.encode())
        said = f"{case['what']}: {answer.text}"
        assert answer.status_code == case["status"], said
        assert service.asked == ([] if case["sent"] is None else [case["sent"]]), said
        assert {name: answer.json()[name] for name in ("type", "detail") if name in case} == {
            name: case[name] for name in ("type", "detail") if name in case
        }, said
        if "problem" in case:
            assert answer.json() == case["problem"], said
        if answer.status_code == 200:
            assert answer.json()["refinement"] == SHARED["answer"]


def test_a_class_of_sixteen_is_served_and_a_crowd_is_bounded(addition: Lab, service: Service) -> None:
    service.answer = json.dumps(SHARED["answer"]).encode()
    path, headers = f"/api/annotation/{addition.draw(BOX)}/sam", bearer(addition.alice)
    with ThreadPoolExecutor(40) as people:
        service.gate.clear()
        crowd = [people.submit(press, addition, path, headers) for _ in range(40)]
        refused = [each.result() for each in islice(as_completed(crowd), 10)]
        service.gate.set()
        assert {answer.status_code for answer in refused} == {503}
        assert all(answer.headers["retry-after"] for answer in refused)
        assert sorted(each.result().status_code for each in crowd) == [200] * 30 + [503] * 10
        service.asked.clear()
        pupils = [people.submit(press, addition, path, headers) for _ in range(16)]
        assert {each.result().status_code for each in pupils} == {200}
    assert len(service.asked) == 16


def test_nobody_waits_for_ever() -> None:
    async def crowd() -> list[BaseException | None]:
        line, over = WaitingLine(1, 2, longest_wait_s=0.05), asyncio.Event()

        async def hold() -> None:
            async with line.turn():
                await over.wait()

        async def wait() -> None:
            async with line.turn():
                raise AssertionError

        holding = asyncio.create_task(hold())
        sent_away = await asyncio.gather(*(wait() for _ in range(3)), return_exceptions=True)
        over.set()
        await holding
        async with line.turn():
            return sent_away

    assert [type(each) for each in asyncio.run(crowd())] == [Problem] * 3


def test_a_token_for_reading_is_told_so(addition: Lab, service: Service) -> None:
    token = Identity("full", JWT_SECRET).token(addition.alice.username, "ROLE_USER", "SHORT_TERM", 600)
    answer = press(addition, f"/api/annotation/{addition.draw(BOX)}/sam", {"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:cytomine-refine:token-reads-only")
    assert service.asked == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "body", "doubted"),
    [
        (502, "", True),
        (502, '{"type": "urn:cytomine-refine:service-absent"}', True),
        (504, '{"type": "urn:cytomine-refine:service-slow"}', True),
        (502, '{"type": "urn:cytomine-refine:service-absent", "written": false}', False),
        (422, '{"type": "urn:cytomine-refine:too-many-points", "written": true}', False),
    ],
)
def test_who_may_have_lost_an_outline_is_told_to_look(
    addition: Lab, service: Service, status: int, body: str, doubted: bool
) -> None:
    service.status, service.type, service.answer = status, "application/problem+json", body.encode()
    answer = press(addition, f"/api/annotation/{addition.draw(BOX)}/sam", bearer(addition.alice))
    assert answer.status_code == status
    assert ("check it before you try again" in answer.text) == doubted
    assert answer.json()["written"] is None if doubted else answer.text == body


def test_a_service_that_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("alone")
    with EmbeddedCytomine(folder, jwt_secret=JWT_SECRET, refine_url="http://127.0.0.1:9/sam") as alone:
        lab = settle(alone, "alone", "")
        answer = press(lab, f"/api/annotation/{lab.draw(BOX)}/sam", bearer(lab.alice))
    assert answer.status_code == 502
    assert answer.json()["type"] == "urn:cytomine-refine:service-unreachable"
