"""Requests signed with a user's API keys, checked as Cytomine checks them, and each signature only once.

Cytomine itself takes a signature at any time and any number of times. Here its date must be near the clock, and within
that time it is remembered, so that whoever overhears a request cannot send it again. Dates have whole seconds, and the
short form signs no path: what tells two requests of one second apart is a parameter of the content type, or
Content-MD5, which are signed (decision 0023).
"""

from __future__ import annotations

import hmac
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

from cachetools import TTLCache
from starlette.datastructures import Headers
from starlette.types import Scope

from app.errors import ModelBusy, NotAuthenticated
from app.signing import SignatureForm, sign, signed_text
from app.usecases.ports import ApiKeys

_MOST_REMEMBERED = 200_000
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""Cytomine's are UUIDs; the key becomes a part of a path."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature is of, and the signature itself."""

    public_key: str
    signature: str
    method: str
    content_md5: str
    content_type: str
    date: str
    uri: str
    """Path and query as they were sent, still percent-encoded."""

    @classmethod
    def of(cls, scope: Scope) -> Self | None:
        """Read a request's signature; None where it carries none."""
        headers = Headers(scope=scope)
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        public_key, _, signature = rest.partition(":")
        if scheme != "CYTOMINE" or not _PUBLIC_KEY.fullmatch(public_key) or not signature:
            return None
        query = scope["query_string"].decode("latin-1")
        return cls(
            public_key=public_key,
            signature=signature,
            method=scope["method"],
            content_md5=headers.get("content-md5", ""),
            content_type=headers.get("content-type", ""),
            date=headers.get("date", ""),
            uri=scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
        )


class Signatures:
    """Tells good signatures from wrong, stale and repeated ones.

    Parameters
    ----------
    form : 'full' or 'short'
        What is signed.
    window_s : float
        How far the date may be off, seconds.
    """

    def __init__(self, form: SignatureForm, window_s: float) -> None:
        self._form = form
        self._window_s = window_s
        self._guard = threading.Lock()
        self._seen: TTLCache[tuple[str, str], None] = TTLCache(_MOST_REMEMBERED, ttl=2 * window_s)

    def check_date(self, request: SignedRequest) -> None:
        """Refuse what was signed long ago, or will be; raises `NotAuthenticated`."""
        try:
            signed = parsedate_to_datetime(request.date)
            off_s = abs((datetime.now(UTC) - signed.replace(tzinfo=signed.tzinfo or UTC)).total_seconds())
        except (ValueError, TypeError, ArithmeticError) as error:  # a zone of a billion hours overflows
            raise NotAuthenticated("A signed request needs a valid date header.") from error
        if off_s > self._window_s:
            raise NotAuthenticated(
                f"The signature's date is {off_s:.0f} s away from the service's clock.",
                seconds_off=round(off_s),
                seconds_allowed=self._window_s,
            )

    def check(self, request: SignedRequest, keys: ApiKeys) -> None:
        """Refuse a signature that those keys did not make, or that came before.

        Raises
        ------
        NotAuthenticated
        ModelBusy
            More signatures than can be remembered came within the window.
        """
        given = request.signature.encode()
        # Core, too, tries a second time without the content type.
        made = [self._made(request, kind, keys) for kind in (request.content_type, "")]
        if not any([hmac.compare_digest(each.encode(), given) for each in made]):
            raise NotAuthenticated("The signature is wrong.")
        with self._guard:
            if (request.public_key, request.signature) in self._seen:
                raise NotAuthenticated(
                    "This signed request was already received. Requests in the same second need a nonce in their"
                    " content type, such as application/json; nonce=1b4e28ba."
                )
            if len(self._seen) >= _MOST_REMEMBERED:
                raise ModelBusy("Too many signed requests arrived at once.", retry_after_s=self._window_s)
            self._seen[request.public_key, request.signature] = None

    def _made(self, request: SignedRequest, content_type: str, keys: ApiKeys) -> str:
        text = signed_text(self._form, request.method, request.content_md5, content_type, request.date, request.uri)
        return sign(keys.private, text)
