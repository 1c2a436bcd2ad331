"""What happens before any work: who asks, how much they send, and how many are asking already.

The guards wrap the application, so that nothing of a request is parsed before its sender is known.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.callers import Callers
from app.api.doors import Doors, path_of
from app.api.shares import Shares
from app.bounds import check_json
from app.errors import BodyTooLarge, BodyTooSlow, InvalidRequest, ModelBusy
from app.settings import ApiSettings

_FORMS = ("multipart/", "application/x-www-form-urlencoded")
"""What is not parsed as JSON."""
_NUMBER = re.compile(r"[0-9]{1,18}")


class GuardMiddleware:
    """Asks who sends a request, bounds the requests in flight and the size of their bodies.

    Whoever works on the request finds in its ``state``: ``caller``, None for the service account or a path that asks
    nobody; ``arrived``, on the monotonic clock, when it came; ``gone``, whether its client has left.

    Parameters
    ----------
    settings : ApiSettings
        Limits.
    callers : Callers
        Tells who asks.
    doors : Doors
        Which paths do work, and for whom.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings, callers: Callers, doors: Doors) -> None:
        self._app = app
        self._settings = settings
        self._callers = callers
        self._shares = Shares(settings.max_in_flight_per_caller, settings.max_per_minute_per_caller)
        self._doors = doors
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._doors.does_work(path_of(scope)):
            await self._app(scope, receive, send)
            return
        arrived, path, caller = time.monotonic(), path_of(scope), None
        if self._doors.asks_who(path):
            afresh = not self._doors.asks_core(path)
            caller = await run_in_threadpool(self._callers.identify, scope, afresh=afresh)
        with self._place(), nullcontext() if caller is None else self._shares.turn(caller.user_id):
            headers = Headers(scope=scope)
            body = await self._read_body(headers, receive, self._doors.limit_bytes(path))
            _check_digest(headers, body)
            if not headers.get("content-type", "").startswith(_FORMS):
                check_json(body)
            presence = Presence(receive)
            scope.setdefault("state", {}).update(caller=caller, arrived=arrived, gone=presence.is_gone)
            with presence.watched():
                await self._app(scope, replay(body, presence), send)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places for requests that are worked on."""
        if self._in_flight >= self._settings.max_in_flight:
            raise ModelBusy(f"{self._settings.max_in_flight} requests are already running.", retry_after_s=2.0)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _read_body(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        """Take the whole body, or refuse it as soon as it is too long."""
        announced = headers.get("content-length", "")
        body = bytearray()
        more = True
        if _NUMBER.fullmatch(announced) and int(announced) > limit:
            raise _too_large(limit)
        with anyio.move_on_after(self._settings.body_timeout_s) as in_time:
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    break  # the caller went away
                body += message.get("body", b"")
                if len(body) > limit:
                    raise _too_large(limit)
                more = message.get("more_body", False)
        if in_time.cancelled_caught:
            raise BodyTooSlow(f"The body did not arrive within {self._settings.body_timeout_s:g} s.")
        return bytes(body)


def _check_digest(headers: Headers, body: bytes) -> None:
    """Refuse a body that is not the one whose digest came with it, and was signed perhaps."""
    told = headers.get("content-md5")
    made = hashlib.md5(body, usedforsecurity=False).digest()
    if told and told not in (base64.b64encode(made).decode(), made.hex()):
        raise InvalidRequest("The body does not match Content-MD5.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.", limit_bytes=limit)


class Presence:
    """Whether a client whose request has come is still there.

    Parameters
    ----------
    receive : callable
        Of the request, its body read.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = asyncio.Event()

    def is_gone(self) -> bool:
        """Tell, from any thread."""
        return self._gone.is_set()

    async def left(self) -> Message:
        """Wait until the client has gone."""
        await self._gone.wait()
        return {"type": "http.disconnect"}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the connection while the request is worked on."""
        watcher = asyncio.ensure_future(self._watch())
        try:
            yield
        except asyncio.CancelledError:  # how some servers tell that the client has gone
            self._gone.set()
            raise
        finally:
            watcher.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()


def replay(body: bytes, presence: Presence) -> Receive:
    """Give a body that was read already to the application, then the client's leaving."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await presence.left()

    return replayed
