"""Searches through Core's addition, beside the Java files: the same cases, lines at once, and callers who leave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import Lab, settle

JWT_SECRET = "a secret that signs the tokens of searches, sixty-four bytes long"
SHARED = json.loads((Path(__file__).parents[2] / "docs/api/examples/core-propose.json").read_text())
"""What the tests of the Java files read too."""
NDJSON = "application/x-ndjson"


class Service:
    """Stands for the refine service: it says what a test tells it to, when the test tells it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.headers = 200, {"Content-Type": NDJSON}
        self.parts: Queue[bytes | None] = Queue()
        self.gone = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                parts = service.parts  # not those of the next answer, if this one is not read to its end
                service.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(service.status)
                for name, value in (service.headers | {"Transfer-Encoding": "chunked", "Connection": "close"}).items():
                    self.send_header(name, value)
                self.end_headers()
                threading.Thread(target=self.listen, daemon=True).start()
                while (part := parts.get()) is not None:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")

            def listen(self) -> None:
                """Whoever asks sends nothing more: what comes is the end of the connection."""
                with suppress(OSError):
                    self.connection.recv(1)
                service.gone.set()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/sam"

    def says(self, case: dict[str, Any]) -> None:
        """Prepare a whole answer."""
        says = case.get("service", {"status": 200, "type": NDJSON})
        self.asked.clear()
        self.parts = Queue()
        self.status, self.headers = says["status"], {"Content-Type": says["type"]}
        if "retry_after" in says:
            self.headers["Retry-After"] = says["retry_after"]
        body = says.get("body", "".join(f"{json.dumps(line)}\n" for line in SHARED["lines"]))
        text = body if isinstance(body, str) else json.dumps(body)
        for part in filter(None, (text.encode()[:9], text.encode()[9:])):
            self.parts.put(part)
        self.parts.put(None)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with service.server:
        thread = threading.Thread(target=service.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield service
        service.parts.put(None)
        service.server.shutdown()


@pytest.fixture
def addition(service: Service, tmp_path: Path) -> Iterator[Lab]:
    with EmbeddedCytomine(tmp_path, jwt_secret=JWT_SECRET, refine_url=service.url, refine_wait_s=300) as cytomine:
        yield settle(cytomine, "searches", service.url)


def bearer(name: str) -> dict[str, str]:
    token = Identity("full", JWT_SECRET).token(name, "ROLE_USER", "SESSION", 600)
    return {"authorization": f"Bearer {token}"}


def test_the_java_files_and_this_core_answer_the_same_cases(addition: Lab, service: Service) -> None:
    for case in SHARED["cases"]:
        service.says(case)
        headers = bearer(addition.alice.username) | {"content-type": case["type_sent"]}
        path = case["path"].replace("{id}", str(addition.image))
        sent = case.get("body") or "{}".ljust(case["body_bytes"])
        url = f"{addition.cytomine.base_url}{path}"
        answer = httpx.post(url, content=sent, headers=headers, timeout=60, trust_env=False)
        said = f"{case['what']}: {answer.text[:500]}"
        assert answer.status_code == case["status"], said
        expected = [] if case["sent"] is None else [{**case["sent"], "image_id": addition.image}]
        assert service.asked == expected, said
        if answer.status_code == 200:
            lines = [json.loads(line) for line in answer.text.splitlines()]
            assert lines == case.get("lines", SHARED["lines"]), said
            continue
        members = [name for name in ("type", "detail") if name in case]
        assert [answer.json()[name] for name in members] == [case[name] for name in members], said
        assert answer.json() == case.get("problem", answer.json()), said
        assert answer.headers.get("retry-after") == case.get("retry_after"), said


def test_each_line_is_there_before_the_next_is_said(addition: Lab, service: Service) -> None:
    url = f"{addition.cytomine.base_url}/api/imageinstance/{addition.image}/sam/propose"
    headers = bearer(addition.alice.username)
    with httpx.stream("POST", url, json={}, headers=headers, timeout=60, trust_env=False) as answer:
        assert (answer.headers["content-type"], answer.headers["x-accel-buffering"]) == (NDJSON, "no")
        lines = answer.iter_lines()
        for number in (1, 2, 3):
            service.parts.put(b'{"proposal": %d}\n' % number)
            assert json.loads(next(lines)) == {"proposal": number}


def test_who_goes_away_closes_the_request_to_the_service(addition: Lab, service: Service) -> None:
    url = f"{addition.cytomine.base_url}/api/imageinstance/{addition.image}/sam/propose"
    headers = bearer(addition.alice.username)
    with httpx.stream("POST", url, json={}, headers=headers, timeout=60, trust_env=False) as answer:
        service.parts.put(b'{"proposal": 1}\n')
        next(answer.iter_lines())
    assert service.gone.wait(60)
