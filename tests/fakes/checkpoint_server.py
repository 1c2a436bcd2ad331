"""A real HTTP server that gives one file, well or badly, and remembers what it was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PIECE_BYTES = 16_384


@dataclass
class Asked:
    """One request, and how many bytes of body it got."""

    target: str
    headers: Mapping[str, str]
    sent_bytes: int = 0


@dataclass
class CheckpointServer:
    """Serves `body` under every path; the fields say how, and may be changed between requests.

    Use it as a context manager. It speaks as a proxy too: an absolute URL in the request line is a path like any other.
    """

    body: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    content_type: str = "application/octet-stream"
    status: int | None = None
    """Answer this status and no file."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Path to location."""
    honours_range: bool = True
    honours_if_range: bool = True
    range_shift: int = 0
    """Answer ranges that begin this much later than asked."""
    refuses_range: bool = False
    """Answer every range with 416."""
    announces_length: bool = True
    announced_bytes: int | None = None
    """Size of the whole file as announced; default: the truth."""
    drop_after: list[int] = field(default_factory=list)
    """Bytes of body after which the first, second ... answer is cut."""
    stall_after: int | None = None
    """Bytes of body after which an answer waits for `go_on`."""
    asked: list[Asked] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def sent_bytes(self) -> int:
        """Bytes of body sent in all."""
        return sum(asked.sent_bytes for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server_state: CheckpointServer

    def do_GET(self) -> None:
        state = self.server_state
        asked = Asked(self.path, dict(self.headers))
        state.asked.append(asked)
        if self.path in state.redirects:
            self._answer_empty(302, {"Location": state.redirects[self.path]})
        elif state.status is not None:
            self._answer_empty(state.status, {})
        else:
            self._give_file(asked)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def _answer_empty(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _give_file(self, asked: Asked) -> None:
        state = self.server_state
        total = len(state.body) if state.announced_bytes is None else state.announced_bytes
        offset = self._offset()
        if offset is None:
            self.send_response(200)
        elif state.refuses_range:
            self._answer_empty(416, {"Content-Range": f"bytes */{total}"})
            return
        else:
            offset += state.range_shift
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {offset}-{total - 1}/{total}")
        offset = offset or 0
        self.send_header("Content-Type", state.content_type)
        if state.announces_length:
            self.send_header("Content-Length", str(total - offset))
        for name, value in (("ETag", state.etag), ("Last-Modified", state.last_modified)):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self._send(asked, state.body[offset:])

    def _offset(self) -> int | None:
        """Give where the asked range begins, or None where the whole file is due."""
        state = self.server_state
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if found is None or not state.honours_range:
            return None
        condition = self.headers.get("If-Range")
        if state.honours_if_range and condition not in (None, state.etag or state.last_modified):
            return None
        return int(found[1])

    def _send(self, asked: Asked, body: bytes) -> None:
        state = self.server_state
        limit = state.drop_after.pop(0) if state.drop_after else len(body)
        for start in range(0, min(limit, len(body)), _PIECE_BYTES):
            if state.stall_after is not None and asked.sent_bytes >= state.stall_after:
                self._stall()
            piece = body[start : min(start + _PIECE_BYTES, limit)]
            try:
                self.wfile.write(piece)
            except OSError:
                return  # the client has gone: what it got so far is what counts
            asked.sent_bytes += len(piece)
        if state.announced_bytes is not None:
            self._stall()

    def _stall(self) -> None:
        self.wfile.flush()
        self.server_state.stalled.set()
        self.server_state.go_on.wait(60)
