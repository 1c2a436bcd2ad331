"""Things that go wrong on a network, on demand, and a record of every request."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from PIL import Image
from starlette.requests import ClientDisconnect

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Kind = Literal[
    "status", "html401", "slow", "hang", "drop", "redirect", "garbage",
    "truncate", "wrong_size", "gray", "rgba", "sixteen_bit",
]  # fmt: skip
_IMAGE_KINDS = frozenset({"truncate", "wrong_size", "gray", "rgba", "sixteen_bit"})
_HANG_S = 600.0
_HTML = b"<!DOCTYPE html><html><body><h1>It works, but not as you think</h1></body></html>"


@dataclass
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    kind : str
        ``status`` answers with `status` and `body`; ``html401`` with Core's page; ``slow`` waits `seconds` and goes on;
        ``hang`` never answers; ``drop`` closes the connection; ``redirect`` is a 302; ``garbage`` is a 200 page. The
        others change an image: cut it off, resize it, or change its mode.
    method, path : str
        Regular expressions of the request's method and of its path with query.
    when : 'before' or 'after'
        After: the request takes effect first, only its answer is lost or changed.
    times : int, optional
        How often; default: always.
    skip : int
        How many matching requests pass first.
    hook : callable, optional
        Called, in a worker thread, when the fault strikes: a test's chance to act at that very moment.
    """

    kind: Kind
    method: str = ".*"
    path: str = ".*"
    when: Literal["before", "after"] = "before"
    times: int | None = 1
    skip: int = 0
    status: int = 500
    body: bytes = b'{"errors":{"message":"Internal error"},"errorValues":{}}'
    content_type: str = "application/json"
    seconds: float = 0.0
    hook: Callable[[], None] | None = field(default=None, repr=False)

    def matches(self, method: str, path: str) -> bool:
        """Whether it concerns a request."""
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it came and was answered; status 0: not at all."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    status: int
    at: float
    """When it came, on the monotonic clock, seconds."""


class Faults:
    """Wraps an ASGI application and spoils its answers."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.under_way = 0
        """Requests that have come and are not answered yet."""
        self.requests: list[SeenRequest] = []
        """Every request since the start or the last `clear`, in the order of their ends."""

    def add(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything go well, and forget the requests seen."""
        with self._lock:
            self._faults.clear()
            self.requests.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, spoilt or not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at = time.monotonic()
        query = scope["query_string"].decode()
        path = scope["path"]
        fault = self._take(scope["method"], f"{path}?{query}" if query else path)
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.under_way += 1
        try:
            await self._serve(fault, scope, receive, watched, send)
        except ClientDisconnect:
            pass  # the caller went away while it was still sending; nobody is left to answer
        finally:
            self.under_way -= 1
            headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            self.requests.append(SeenRequest(scope["method"], path, query, headers, status, at))

    def _take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or not fault.matches(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    async def _serve(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send, raw: Send) -> None:
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.kind in _IMAGE_KINDS:
            await _send(send, *_spoilt(fault.kind, *await self._captured(scope, receive)))
            return
        if fault.when == "after":
            answer = await self._captured(scope, receive)
        if fault.hook:
            await asyncio.to_thread(fault.hook)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await (_send(send, *answer) if fault.when == "after" else self._app(scope, receive, send))
        elif fault.kind == "hang":
            await _until_gone(receive)
        elif fault.kind == "drop":
            cast(Any, raw).__self__.transport.abort()  # the server's own connection
            await asyncio.sleep(0.05)
        else:
            await _send(send, *_planned(fault))

    async def _captured(self, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Run the application and keep its answer."""
        status, headers, body = 500, [], bytearray()

        async def keep(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        return status, headers, bytes(body)


async def _until_gone(receive: Receive) -> None:
    """Wait until the caller has gone away."""
    async with asyncio.timeout(_HANG_S):
        while (await receive())["type"] != "http.disconnect":
            pass


def _planned(fault: Fault) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    html = [(b"content-type", b"text/html;charset=utf-8")]
    if fault.kind == "html401":
        return 401, html, _HTML
    if fault.kind == "redirect":
        return 302, [*html, (b"location", b"/elsewhere")], b""
    if fault.kind == "garbage":
        return 200, html, _HTML
    return fault.status, [(b"content-type", fault.content_type.encode())], fault.body


def _spoilt(
    kind: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Change an image answer."""
    if kind == "truncate":
        return status, headers, body[: len(body) // 2]
    image: Image.Image = Image.open(io.BytesIO(body))
    if kind == "wrong_size":
        image = image.resize((image.width + 7, max(1, image.height // 2)))
    elif kind == "gray":
        image = image.convert("L")
    elif kind == "rgba":
        image = image.convert("RGBA")
    else:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return status, [(b"content-type", b"image/png")], stream.getvalue()


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})
