"""Core's bearer tokens: what one says of itself. Only Core checks it."""

from __future__ import annotations

import base64
import binascii
import json

from app.usecases.ports import BearerToken, Credentials


def reads_only(credentials: Credentials) -> bool:
    """Whether it is one of Core's short-term tokens, which are made for the links of images."""
    if not isinstance(credentials, BearerToken):
        return False
    try:
        payload = credentials.text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and claims.get("type") == "SHORT_TERM"
