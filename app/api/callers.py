"""Who asks: the three ways in which a caller proves it (decision 0010).

A bearer token or a signature makes the caller act as themselves; the shared secret makes them act as the service
account. Whatever was found out here, Core checks the credentials again with every call that it gets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from typing import TypeVar

from cachetools import TTLCache
from starlette.datastructures import Headers
from starlette.types import Scope

from app.api.newcomers import Newcomers
from app.api.signatures import Signatures, SignedRequest
from app.errors import NotAuthenticated, PlatformForbidden
from app.settings import ApiSettings
from app.usecases.ports import ApiKeys, BearerToken, Caller, Identities

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Source: RFC 6750, section 2.1."""
_LONGEST_TOKEN = 8192
_REMEMBERED_S = 60.0
_MOST_REMEMBERED = 4096

Key = TypeVar("Key")


class Callers:
    """Tells who asks.

    Parameters
    ----------
    settings : ApiSettings
        Which ways are open.
    identities : Identities
        The platform's users.
    """

    def __init__(self, settings: ApiSettings, identities: Identities) -> None:
        self._identities = identities
        self._secret = settings.shared_secret.get_secret_value().encode()
        self._secret_header = settings.secret_header
        self._takes_tokens = settings.bearer
        self._signatures = (
            None if settings.signatures == "off" else Signatures(settings.signatures, settings.signature_window_s)
        )
        self._newcomers = Newcomers(settings.max_newcomers)
        self._guard = threading.Lock()
        self._by_token: TTLCache[BearerToken, Caller] = TTLCache(_MOST_REMEMBERED, _REMEMBERED_S)
        self._by_key: TTLCache[str, Caller] = TTLCache(_MOST_REMEMBERED, _REMEMBERED_S)

    def identify(self, scope: Scope, *, afresh: bool = False) -> Caller | None:
        """Tell who sent a request; None is the service account. May ask Core, so it may block.

        Parameters
        ----------
        afresh : bool
            Ask Core even about callers who are known: for what is done without asking Core anything else.

        Raises
        ------
        NotAuthenticated
            No credentials, or wrong ones.
        TooManyRequests
            Core is being asked about too many others.
        PlatformError
            Core does not accept them, or fails; the token is for reading only.
        """
        headers = Headers(scope=scope)
        secret = headers.get(self._secret_header)
        if secret is not None:
            self._check_secret(secret)
            return None
        if self._takes_tokens and (token := bearer_token(headers)):
            return self._bearer(token, _address(scope), afresh)
        if self._signatures and (request := SignedRequest.of(scope)):
            return self._signer(request, self._signatures, _address(scope), afresh)
        raise NotAuthenticated(f"Credentials are missing: {self._ways()} is needed.")

    def _check_secret(self, given: str) -> None:
        if not self._secret or not hmac.compare_digest(given.encode(), self._secret):
            raise NotAuthenticated(f"The header {self._secret_header} is wrong.")

    def _bearer(self, token: BearerToken, address: str, afresh: bool) -> Caller:
        if reads_only(token):
            raise PlatformForbidden("This token is read-only; send the session token.")
        caller = None if afresh else self._recall(self._by_token, token)
        if caller is None:
            digest = hashlib.sha256(token.text.encode()).digest()
            caller = self._newcomers.ask(digest, address, lambda: self._identities.identify(token))
            self._remember(self._by_token, token, caller)
        return caller

    def _signer(self, request: SignedRequest, signatures: Signatures, address: str, afresh: bool) -> Caller:
        signatures.check_date(request)
        caller = None if afresh else self._recall(self._by_key, request.public_key)
        if caller and isinstance(caller.credentials, ApiKeys):
            signatures.check(request, caller.credentials)
            return caller

        def look_up() -> Caller:
            keys = self._identities.keys_of(request.public_key)
            if keys is None:
                raise NotAuthenticated("The signature is wrong.")
            signatures.check(request, keys)
            return self._identities.identify(keys)

        caller = self._newcomers.ask(request.public_key, address, look_up)
        return self._remember(self._by_key, request.public_key, caller)

    def _recall(self, memory: TTLCache[Key, Caller], key: Key) -> Caller | None:
        with self._guard:
            return memory.get(key)

    def _remember(self, memory: TTLCache[Key, Caller], key: Key, caller: Caller) -> Caller:
        with self._guard:
            memory[key] = caller
        return caller

    def _ways(self) -> str:
        ways = {
            "a bearer token": self._takes_tokens,
            "a signature with API keys": self._signatures,
            f"the header {self._secret_header}": self._secret,
        }
        return " or ".join(way for way, is_open in ways.items() if is_open) or "another way in"


def reads_only(token: BearerToken) -> bool:
    """Whether a token says of itself that it is of short term: Core takes it for GET only, and fails at others.

    What it says is not verified here; Core does that with every call.
    """
    try:
        _, claims, _ = token.text.split(".")
        said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("type") == "SHORT_TERM"


def bearer_token(headers: Headers) -> BearerToken | None:
    """Find the bearer token of a request; None where there is none, or none that could be one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    fits = scheme.lower() == "bearer" and _TOKEN.fullmatch(token) and len(token) <= _LONGEST_TOKEN
    return BearerToken(token) if fits else None


def _address(scope: Scope) -> str:
    """Tell where a request came from; what a proxy says of it is not believed."""
    host, _ = scope.get("client") or ("", 0)
    return str(host)
