"""Previews on their way to the caller and back: opaque, self-contained, and signed (decision 0031).

Nothing is kept here, so a restart or another replica does not lose a preview, as long as the key is the same.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from app.errors import PreviewUnfit
from app.settings import Settings
from app.usecases.preview import Preview

KEPT_S = 3600.0
"""Nobody looks at one outline for longer."""
_SKEW_S = 60.0
"""The clocks of replicas differ a little."""
MOST_CHARACTERS = 2**20
_PURPOSE = b"cytomine-refine preview 1\n"
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Sealed:
    made: float
    """Seconds of the epoch."""
    preview: Preview


_ADAPTER = TypeAdapter(_Sealed)


class Previews:
    """Seals previews, and opens what it has sealed.

    Parameters
    ----------
    key : bytes
        Shared by all replicas.
    now : callable
        Seconds of the epoch.
    """

    def __init__(self, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(key, _PURPOSE, sha256)
        self._now = now

    def seal(self, preview: Preview) -> str:
        """Give a preview as a text."""
        content = zlib.compress(_ADAPTER.dump_json(_Sealed(self._now(), preview)))
        return base64.urlsafe_b64encode(self._signature(content) + content).decode()

    def open(self, text: str) -> Preview:
        """Read a text that `seal` gave.

        Raises
        ------
        PreviewUnfit
            It was not made here, or is too old.
        """
        try:
            sealed = base64.b64decode(text, altchars=b"-_", validate=True)
        except ValueError as error:
            raise _unknown() from error
        signature, content = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content)):
            raise _unknown()
        try:
            opened = _ADAPTER.validate_json(zlib.decompress(content))
        except (zlib.error, ValidationError) as error:  # signed by another version of the service
            raise _unknown() from error
        if not -_SKEW_S <= self._now() - opened.made <= KEPT_S:
            raise PreviewUnfit("This preview is too old; request a new one.", reason="too-old")
        return opened.preview

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, sha256)


def key_of(settings: Settings, spare: bytes = b"") -> bytes:
    """Give the key that all replicas have: the one that is set, else one made of the secrets that they share.

    Parameters
    ----------
    spare : bytes
        Where nothing is shared; default: a random one, of this process alone.
    """
    own = settings.api.preview_key.get_secret_value()
    if own:
        return own.encode()
    shared = (settings.api.shared_secret, settings.platform.private_key)
    text = "\n".join(secret.get_secret_value() for secret in shared)
    return text.encode() if text.strip() else spare or secrets.token_bytes(_DIGEST_BYTES)


def _unknown() -> PreviewUnfit:
    return PreviewUnfit(
        "This preview is damaged, or the service has restarted since; request a new one.", reason="unknown"
    )
