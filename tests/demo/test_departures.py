"""Whoever goes away while Core's addition waits for the service takes the service's request along."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import httpx
import pytest

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, settle

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
PATIENCE_S = 60


def test_the_services_connection_is_closed(tmp_path: Path) -> None:
    asked, closed = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        """Take a request, answer nothing, and see the connection end."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            while connection.recv(65536):
                asked.set()
        closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/sam"
        with EmbeddedCytomine(tmp_path, jwt_secret=JWT_SECRET, refine_url=url) as cytomine:
            lab = settle(cytomine, "departures", url)
            token = Identity("full", JWT_SECRET).token(lab.alice.username, "ROLE_USER", "SESSION", 600)
            core = f"{cytomine.base_url}/api/annotation/{lab.draw(BOX)}/sam"

            def leave() -> None:
                with pytest.raises(httpx.ReadTimeout):
                    httpx.post(core, headers={"authorization": f"Bearer {token}"}, timeout=5, trust_env=False)

            caller = threading.Thread(target=leave)
            caller.start()
            assert asked.wait(PATIENCE_S)
            caller.join(PATIENCE_S)
            assert closed.wait(PATIENCE_S)
