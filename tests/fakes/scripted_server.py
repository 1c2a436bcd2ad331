"""A real HTTP server on the loopback that answers what a test scripts, hostile answers included."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """One scripted answer; a dict body is sent as JSON."""

    status: int = 200
    body: bytes | dict[str, object] | list[object] = field(default_factory=dict)
    kind: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drop: bool = False
    """Close the connection without an answer."""
    cut: int = 0
    """Announce this many bytes more than are sent."""
    drip_s: float = 0.0
    """Pause between one byte and the next."""


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers each path with its scripted answer and remembers every call."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.calls: list[Call] = []
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.calls.append(Call(self.command, self.path, headers, body))
                server._send(self, server.answers.get(self.path.split("?")[0], Answer(404, b"no", "text/plain")))

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[ScriptedServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        self._released.wait(answer.wait_s)
        handler.close_connection = True
        if answer.drop:
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        is_json = not isinstance(answer.body, bytes)
        body = json.dumps(answer.body).encode() if is_json else answer.body
        handler.send_response_only(answer.status)
        handler.send_header("Content-Type", answer.kind or ("application/json" if is_json else "text/html"))
        handler.send_header("Content-Length", str(len(body) + answer.cut))
        handler.send_header("Connection", "close")
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            for piece in [body[at : at + 1] for at in range(len(body))] if answer.drip_s else [body]:
                handler.wfile.write(piece)
                self._released.wait(answer.drip_s)
        except OSError:
            return  # the caller has given up
