"""A real HTTP server that gives files to admitted accounts only, by way of another host, as hubs of models do."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from tests.fakes.checkpoint_server import CheckpointServer

COMMIT = "0f1e2d3c4b5a"


@dataclass
class GatedHub:
    """Describes `body` under ``/<repository>/resolve/<version>/<file>`` and redirects to where it lies."""

    body: bytes
    file: str = "pytorch_model.bin"
    admitted: str = "hf_secret"
    describes: bool = True
    """Say size and digest, as for every file that is kept apart for its size."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path."""

    def __enter__(self) -> Self:
        owner = self

        class Handler(_Handler):
            hub = owner

        self.store = CheckpointServer(self.body).__enter__()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.__exit__(kind, error, trace)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    hub: GatedHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        hub.asked.append((self.command, self.path))
        if self.headers.get("Authorization") != f"Bearer {hub.admitted}":
            self.send_response(401)
        elif not self.path.endswith(f"/{hub.file}"):
            self.send_response(404)
        else:
            self.send_response(302)
            self.send_header("Location", f"{hub.store.url}/blob?signature=1")
            self.send_header("X-Repo-Commit", COMMIT)
            if hub.describes:
                self.send_header("X-Linked-Size", str(len(hub.body)))
                self.send_header("X-Linked-Etag", f'"{hashlib.sha256(hub.body).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""
