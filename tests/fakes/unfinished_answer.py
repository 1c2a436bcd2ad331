"""A server whose answer begins and does not end: it waits until whoever asked has gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UnfinishedAnswer:
    """How far it has come."""

    url: str
    sent: threading.Event = field(default_factory=threading.Event)
    """What there was to say has been said."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Whoever asked has closed the connection."""


@contextmanager
def unfinished_answer(said: bytes, kind: str) -> Iterator[UnfinishedAnswer]:
    """Answer the first request with the beginning of a body of this content type."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = UnfinishedAnswer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listener, said, kind, answer), daemon=True)
        thread.start()
        yield answer
        thread.join(30)


def _serve(listener: socket.socket, said: bytes, kind: str, answer: UnfinishedAnswer) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(said), said))
        answer.sent.set()
        with suppress(ConnectionError):  # whoever leaves with a part unread resets it
            while connection.recv(65536):
                pass
    answer.gone.set()
