"""What a host of checkpoints is asked and what it answers, put into words for the person at the terminal."""

from __future__ import annotations

import re

import httpx

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights.registry import WeightsEntry

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def source_url(entry: WeightsEntry, mirror: str | None) -> httpx.URL:
    """Give the URL to fetch from: the entry's own, or the same path on the mirror.

    Raises
    ------
    InvalidSettings
        The mirror is no URL that can be used.
    """
    source = httpx.URL(entry.url)
    if mirror is None:
        return source
    try:
        url = httpx.URL(mirror.rstrip("/") + source.raw_path.decode("ascii"))
    except httpx.InvalidURL as error:
        raise InvalidSettings(f"The mirror of the weights is not a URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidSettings("The mirror of the weights must be a URL that starts with http:// or https://.")
    return url


def authorization(url: httpx.URL, token: str | None) -> dict[str, str]:
    """Give the header that carries a token.

    Raises
    ------
    InvalidSettings
        The token would travel unencrypted, to another machine.
    """
    if token is None:
        return {}
    if url.scheme != "https" and url.host not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidSettings(f"A token is only sent over https, and {shown(url)} is not.")
    return {"Authorization": f"Bearer {token}"}


def shown(url: httpx.URL) -> str:
    """Give the URL without what may be secret in it."""
    return str(url.copy_with(userinfo=b"", query=None))


def megabytes(size_bytes: int) -> str:
    """Give a size as people read it."""
    return f"{size_bytes / 1e6:,.1f} MB"


def validator(response: httpx.Response) -> str | None:
    """Give what the host calls this version of the file; a weak ETag does not promise equal bytes."""
    headers: dict[str, str] = dict(response.headers)
    etag = headers.get("etag")
    return etag if etag is not None and not etag.startswith("W/") else headers.get("last-modified")


def continues(response: httpx.Response, version: str | None, offset: int, entry: WeightsEntry) -> bool:
    """Tell whether a partial answer goes on, in the same version of the file, at this offset."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != offset or found[2] not in ("*", str(entry.size_bytes)):
        return False
    return validator(response) in (None, version)


def require_file(response: httpx.Response, entry: WeightsEntry, url: httpx.URL) -> None:
    """Refuse an answer that cannot be the file, before a byte of it is kept.

    Raises
    ------
    WeightsUnavailable
        The host says that it does not give the file, or gives a web page.
    WeightsCorrupt
        The host announces another size.
    """
    status = response.status_code
    if status not in (200, 206):
        raise WeightsUnavailable(f"{shown(url)} {_meaning(status)} ({status}).", url=shown(url), status=status)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise WeightsUnavailable(
            f"{shown(url)} returned a web page: is there a log-in page or a proxy in between?",
            url=shown(url),
        )
    announced = response.headers.get("Content-Length")
    if status == 200 and announced is not None and int(announced) != entry.size_bytes:
        raise WeightsCorrupt(
            f"{shown(url)} has {int(announced):,} bytes, {entry.name} has {entry.size_bytes:,}: not downloaded.",
            url=shown(url),
            size_bytes=int(announced),
            expected_bytes=entry.size_bytes,
        )


def explain_failure(failure: httpx.RequestError | None, url: httpx.URL, done_bytes: int, total_bytes: int) -> str:
    """Say in one line why nothing more came, and what to do; None is an answer that ended too early."""
    reason = str(failure or "closed early") or type(failure).__name__
    if isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout):
        return (
            f"Cannot reach {url.host} ({reason}). Offline? Set HTTPS_PROXY or REFINE_WEIGHTS__MIRROR, "
            "or copy the file into the folder yourself."
        )
    if isinstance(failure, httpx.ProxyError | httpx.TooManyRedirects | httpx.UnsupportedProtocol):
        return f"Cannot fetch {shown(url)}: {reason.rstrip('.')}."
    return (
        f"The connection to {url.host} broke ({reason.rstrip('.')}) at {megabytes(done_bytes)} of "
        f"{megabytes(total_bytes)}; the next pull resumes from there."
    )


def _meaning(status: int) -> str:
    if status in (404, 410):
        return "does not exist"
    if status in (401, 403):
        return "was refused"
    if status == 429 or status >= 500:
        return "is not available now, try again later"
    return "gave an unexpected answer"
