"""Requests signed with a user's API keys, each different from the others."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from hashlib import md5

import httpx

from cytomine_refine.signing import SignatureForm, sign, signed_text


class ApiKeyAuth(httpx.Auth):
    """Signs requests with a user's API keys.

    The service accepts a signature once, dates have whole seconds, and 2026 signs neither path nor body. So the
    content type of a body contains a unique number, and the body's digest is signed, too (decision 0026).

    Parameters
    ----------
    public_key, private_key : str
        The keys on your account page in Cytomine.
    form : 'full' or 'short'
        Form of the signed text: ``full`` for Cytomine 2025.1, ``short`` for 2026.
    """

    requires_request_body = True

    def __init__(self, public_key: str, private_key: str, form: SignatureForm = "full") -> None:
        self._public_key, self._private_key, self._form = public_key, private_key, form

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the number, the digest, the date and the signature."""
        headers, date = request.headers, format_datetime(datetime.now(timezone.utc))
        if "content-type" in headers:
            headers["content-type"] += f"; nonce={secrets.token_hex(16)}"
            headers["content-md5"] = b64encode(md5(request.content, usedforsecurity=False).digest()).decode()
        kind, digest = headers.get("content-type", ""), headers.get("content-md5", "")
        text = signed_text(self._form, request.method, digest, kind, date, request.url.raw_path.decode())
        headers["date"] = date
        headers["authorization"] = f"CYTOMINE {self._public_key}:{sign(self._private_key, text)}"
        yield request
