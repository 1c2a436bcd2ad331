"""What happens before any work: who asks, how much they send, and how many are asking already.

The guards wrap the application, so that nothing of a request is parsed before its sender is known.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem_of
from app.errors import BodyTooLarge, ModelBusy, NotAuthenticated, ServiceError
from app.settings import ApiSettings

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Source: RFC 6750, section 2.1."""
_LONGEST_TOKEN = 8192

IsGuarded = Callable[[str], bool]
LimitOf = Callable[[str], int]


def bearer_token(headers: Headers) -> str | None:
    """Find the bearer token of a request; None where there is none, or none that could be one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    fits = scheme.lower() == "bearer" and _TOKEN.fullmatch(token) and len(token) <= _LONGEST_TOKEN
    return token if fits else None


class GuardMiddleware:
    """Asks for credentials, bounds the requests in flight and the size of their bodies.

    Whether a bearer token is good is for Core to say: it is handed on with every call.

    Parameters
    ----------
    settings : ApiSettings
        Secret and limits.
    does_work : callable
        Whether a path does work; the others (health, metrics, documentation) are open to all.
    asks_secret : callable
        Whether a path that does work asks for the secret.
    limit_of : callable
        How many bytes the body of a path may have.
    """

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, does_work: IsGuarded, asks_secret: IsGuarded, limit_of: LimitOf
    ) -> None:
        self._app = app
        self._settings = settings
        self._secret = settings.shared_secret.get_secret_value().encode()
        self._ways = " or ".join(
            way
            for way, there in (
                ("a bearer token", settings.bearer),
                (f"the header {settings.secret_header}", self._secret),
            )
            if there
        )
        self._does_work, self._asks_secret, self._limit_of = does_work, asks_secret, limit_of
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._does_work(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            if self._asks_secret(scope["path"]):
                self._check_credentials(Headers(scope=scope))
            self._check_room()
        except ServiceError as error:
            await problem_of(error, scope["path"])(scope, receive, send)
            return
        self._in_flight += 1
        try:
            body = await self._read_body(Headers(scope=scope), receive, self._limit_of(scope["path"]))
        except ServiceError as error:
            await problem_of(error, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)
        finally:
            self._in_flight -= 1

    def _check_credentials(self, headers: Headers) -> None:
        name = self._settings.secret_header
        given = headers.get(name)
        if given is not None:
            if not self._secret or not hmac.compare_digest(given.encode(), self._secret):
                raise NotAuthenticated(f"The header {name} is wrong.")
        elif not (self._settings.bearer and bearer_token(headers)):
            raise NotAuthenticated(f"Credentials are missing: {self._ways} is needed.")

    def _check_room(self) -> None:
        if self._in_flight >= self._settings.max_in_flight:
            raise ModelBusy(f"{self._in_flight} requests are being worked on already.", retry_after_s=2.0)

    async def _read_body(self, headers: Headers, receive: Receive, limit: int) -> bytes:
        """Take the whole body, or refuse it as soon as it is too long."""
        announced = headers.get("content-length", "")
        body = bytearray()
        more = True
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break  # the caller went away
            body += message.get("body", b"")
            if len(body) > limit:
                raise _too_large(limit)
            more = message.get("more_body", False)
        return bytes(body)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.", limit_bytes=limit)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already to the application, then whatever comes next."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed
