"""The signature that Cytomine's API keys make, as scripts make it; sources: its Python clients 3.1 and 4.3."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Literal

SignatureForm = Literal["full", "short"]
"""full: path and query are signed too, as Community Edition 2025.1 does; short: as 2026 does."""


def signed_text(form: SignatureForm, method: str, content_md5: str, content_type: str, date: str, uri: str) -> str:
    """Give the text that is signed.

    Parameters
    ----------
    date : str
        As in the ``date`` header.
    uri : str
        Path and query as they are sent, percent-encoded; signed by the full form only.
    """
    parts = [method, content_md5, content_type, date]
    return "\n".join([*parts, uri] if form == "full" else parts)


def sign(private_key: str, text: str) -> str:
    """Sign a text: HMAC-SHA1 in base 64."""
    return base64.b64encode(hmac.new(private_key.encode(), text.encode(), hashlib.sha1).digest()).decode()
