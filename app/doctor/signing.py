"""The doctor's own requests, signed with the keys of the service's account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx

from app.settings import Settings
from app.signing import SignatureForm, sign, signed_text


class AccountAuth(httpx.Auth):
    """Signs requests that have no body, which is all that a doctor asks."""

    def __init__(self, settings: Settings) -> None:
        self._form: SignatureForm = "short" if settings.api.signatures == "short" else "full"
        self._public_key = settings.platform.public_key
        self._private_key = settings.platform.private_key.get_secret_value()

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the date and the signature."""
        date = format_datetime(datetime.now(UTC))
        text = signed_text(self._form, request.method, "", "", date, request.url.raw_path.decode())
        request.headers["date"] = date
        request.headers["authorization"] = f"CYTOMINE {self._public_key}:{sign(self._private_key, text)}"
        yield request
