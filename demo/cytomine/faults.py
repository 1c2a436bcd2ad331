"""Things that go wrong on a network, on demand, and a record of every request.

Any call can be made to go wrong, before or after its work was done::

    faults.add(Fault("status", method="PUT", status=500))             # the next PUT: a 500, nothing is written
    faults.add(Fault("drop", method="DELETE", when="after", skip=2))  # the third DELETE works, its answer is lost
    faults.add(Fault("odd", path="/api/", seed=7))                    # the next answer of Core has odd JSON
    faults.add(Fault("drip", path="/window", seconds=0.2))            # a window comes byte by byte
    faults.add(Fault("hang", times=None))                             # nothing is answered from now on

One who wants them at random draws them, the same ones for the same seed::

    rng = random.Random(5)
    faults.add(drawn_fault(rng, calls=[("GET", "/api/annotation/"), ("PUT", "/api/"), ("POST", "/ims/")], most_skip=4))

`Faults.clear` lets everything go well again; `Faults.requests` tells what was asked and how it was answered.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from starlette.requests import ClientDisconnect

from demo.cytomine.answers import error_page
from demo.cytomine.spoiling import ODD_BODIES, PAGE, Answer, odd_json, spoilt_image

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_ImageKind = Literal["truncate", "wrong_size", "gray", "rgba", "sixteen_bit"]
_CallKind = Literal["status", "html401", "slow", "hang", "drop", "redirect", "garbage", "odd", "drip", "cut"]
Kind = _CallKind | _ImageKind
_IMAGE_KINDS = frozenset(get_args(_ImageKind))
_HANG_S = 600.0


@dataclass
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    kind : str
        ``status`` answers with `status` and `body`; ``html401`` with Core's page; ``slow`` waits `seconds` and goes on;
        ``hang`` never answers; ``drop`` closes the connection; ``redirect`` is a 302; ``garbage`` is a 200 page.
        ``odd`` keeps the status and makes the JSON odd, by `seed` (before the work: a 200 of an odd body); ``drip``
        sends the answer byte by byte, with `seconds` between two; ``cut`` sends half of it and closes the connection.
        The others change an image: cut it off, resize it, or change its mode.
    method, path : str
        Regular expressions of the request's method and of its path with query.
    when : 'before' or 'after'
        After: the request takes effect first, only its answer is lost or changed. ``drip`` and ``cut`` are always
        after, as they need an answer.
    times : int, optional
        How often; default: always.
    skip : int
        How many matching requests pass first.
    seed : int
        Of what is random in ``odd``.
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
    seed: int = 0
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
        answer: Answer | None = None
        if fault.when == "after" or fault.kind in _IMAGE_KINDS | {"drip", "cut"}:
            answer = await self._captured(scope, receive)
        if fault.hook:
            await asyncio.to_thread(fault.hook)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await (_send(send, answer) if answer else self._app(scope, receive, send))
        elif fault.kind == "hang":
            await _until_gone(receive)
        elif fault.kind == "drop":
            await _drop(raw)
        elif fault.kind == "drip" and answer:
            await _drip(send, receive, answer, fault.seconds)
        elif fault.kind == "cut" and answer:
            await _cut(send, raw, answer)
        else:
            await _send(send, _planned(fault, answer))

    async def _captured(self, scope: Scope, receive: Receive) -> Answer:
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


def drawn_fault(
    rng: random.Random, *, calls: Sequence[tuple[str, str]] = ((".*", "/api/|/ims/"),), most_skip: int = 5
) -> Fault:
    """Draw a fault at random.

    Parameters
    ----------
    rng : random.Random
        The same seed draws the same faults.
    calls : sequence of (method, path)
        Regular expressions; one of them is drawn.
    most_skip : int
        This many matching requests pass first.
    """
    method, path = rng.choice(list(calls))
    return Fault(
        kind=rng.choice(get_args(_CallKind)),
        method=method,
        path=path,
        when=rng.choice(("before", "after")),
        skip=rng.randint(0, most_skip),
        status=rng.choice((400, 401, 403, 404, 409, 500, 502, 503)),
        seconds=rng.choice((0.0, 0.01, 0.1)),
        seed=rng.randrange(2**32),
    )


def _planned(fault: Fault, answer: Answer | None) -> Answer:
    """Give what is sent in place of the good answer."""
    html, json = [(b"content-type", b"text/html;charset=utf-8")], [(b"content-type", b"application/json")]
    if fault.kind in _IMAGE_KINDS and answer:
        return spoilt_image(fault.kind, answer)
    if fault.kind == "odd":
        rng = random.Random(fault.seed)  # noqa: S311  a test's own
        return odd_json(rng, answer) if answer else (200, json, rng.choice(ODD_BODIES))
    if fault.kind == "html401":
        return 401, json, error_page(401).encode()
    if fault.kind == "redirect":
        return 302, [*html, (b"location", b"/elsewhere")], b""
    if fault.kind == "garbage":
        return 200, html, PAGE
    return fault.status, [(b"content-type", fault.content_type.encode())], fault.body


def _start(answer: Answer) -> Message:
    status, headers, body = answer
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    kept.append((b"content-length", str(len(body)).encode()))
    return {"type": "http.response.start", "status": status, "headers": kept}


async def _send(send: Send, answer: Answer) -> None:
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer[2]})


async def _drip(send: Send, receive: Receive, answer: Answer, seconds: float) -> None:
    """Send the body byte by byte, until the caller has had enough."""
    gone = asyncio.ensure_future(_until_gone(receive))
    await send(_start(answer))
    for place in range(len(answer[2])):
        await asyncio.wait({gone}, timeout=seconds)
        if gone.done():
            return
        await send({"type": "http.response.body", "body": answer[2][place : place + 1], "more_body": True})
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _cut(send: Send, raw: Send, answer: Answer) -> None:
    """Promise the whole body, send half of it and close the connection."""
    await send(_start(answer))
    await send({"type": "http.response.body", "body": answer[2][: len(answer[2]) // 2], "more_body": True})
    _transport(raw).close()
    await asyncio.sleep(0.05)


async def _drop(raw: Send) -> None:
    """Close the connection without an answer."""
    _transport(raw).abort()
    await asyncio.sleep(0.05)


def _transport(raw: Send) -> Any:
    return cast(Any, raw).__self__.transport  # the server's own connection
