"""What the ways to Core and to PIMS have in common: no cookies, bounded answers, and one meaning for each status."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http.cookiejar import CookiePolicy, DefaultCookiePolicy

from app.errors import PlatformForbidden, PlatformTimeout, PlatformUnauthorized, PlatformUnavailable

ONLY_AS_IT_IS = {"accept-encoding": "identity"}
"""A compressed answer would be larger than what is counted."""


def no_cookies() -> CookiePolicy:
    """Give the policy of a client that many users share: a cookie would carry one user's session to the next."""
    return DefaultCookiePolicy(allowed_domains=[])


def check_status(status: int, who: str, asked: str, said: str = "", **facts: object) -> None:
    """Raise what a status means, unless it is 200.

    Parameters
    ----------
    who, asked : str
        Which server, and what it was asked for.
    said : str
        The server's own words, after a colon.
    **facts
        Go with the error.
    """
    if status == 200:
        return
    if status == 401:
        raise PlatformUnauthorized(
            f"{who} does not accept the credentials: the keys or the token are wrong, or no longer valid.", **facts
        )
    if status == 403:
        raise PlatformForbidden(f"{who} refused it{said}.", **facts)
    raise PlatformUnavailable(f"{who} answered {asked} with status {status}{said}.", **facts)


def read_bounded(pieces: Iterable[bytes], who: str, *, most_bytes: int, until: float) -> bytes:
    """Read an answer that comes in pieces.

    Parameters
    ----------
    pieces : iterable of bytes
        As they come from the connection; each may take as long as its time-out allows.
    most_bytes : int
        Longer answers are given up.
    until : float
        On the monotonic clock, seconds: later ones too, however steadily they drip.

    Raises
    ------
    PlatformUnavailable, PlatformTimeout
    """
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > most_bytes:
            raise PlatformUnavailable(f"{who} sent more than {most_bytes} bytes in one answer.")
        if time.monotonic() > until:
            raise PlatformTimeout(f"{who} did not finish its answer in time.")
    return bytes(content)
