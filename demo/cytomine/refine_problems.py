"""Why a refine did not happen, in the words of Core's addition."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import JSONResponse

_LOOK = "The outline may have changed; check it before you try again."


class Problem(Exception):
    """An answer in the form of RFC 9457.

    Parameters
    ----------
    status : int
        Of HTTP.
    kind : str
        The end of the type; empty for what Spring itself refuses.
    title, detail : str
        What happened, shortly and in one sentence.
    retry_after : str, optional
        Seconds.
    **facts
        Further members.
    """

    def __init__(
        self, status: int, kind: str, title: str, detail: str, retry_after: str | None = None, **facts: object
    ) -> None:
        super().__init__(detail)
        kind = f"urn:cytomine-refine:{kind}" if kind else "about:blank"
        self.body = {"type": kind, "title": title, "status": status, "detail": detail, **facts}
        self._status, self._retry_after = status, retry_after

    def answer(self) -> Response:
        """Shape it."""
        headers = {"Retry-After": self._retry_after} if self._retry_after else None
        return JSONResponse(self.body, self._status, headers, "application/problem+json")


def invalid(detail: str) -> Problem:
    """Refuse what cannot be understood."""
    return Problem(400, "invalid-request", "The request is malformed", detail)


def too_long(most_bytes: int) -> Problem:
    """Refuse more than is read."""
    return Problem(413, "body-too-large", "The request is too large", f"The body is larger than {most_bytes} bytes.")


def no_json() -> Problem:
    """Refuse a form or a text, as Spring does."""
    return Problem(415, "", "Unsupported Media Type", "Content-Type is not supported.")


def not_found() -> Problem:
    """Know no such route, as Spring says it."""
    return Problem(404, "", "Not Found", "No static resource.")


def reads_only() -> Problem:
    """Refuse a token that may not write."""
    detail = "Refining and searching need a session token, not a short-term one."
    return Problem(403, "token-reads-only", "This token is read-only", detail)


def busy(what: str) -> Problem:
    """Send somebody away from a full line, of refines or of searches."""
    detail = f"Nothing was changed: too many {what} are waiting. Try again in a few seconds."
    return Problem(503, "core-busy", f"Too many {what} at once", detail, "5")


def unreachable() -> Problem:
    """Say that no connection was made."""
    detail = "Nothing was changed. Is its container running?"
    return Problem(502, "service-unreachable", "The refine service cannot be reached", detail)


def silent() -> Problem:
    """Say that no line of proposals came in time."""
    return Problem(504, "service-slow", "The refine service timed out", "It did not answer in time.")


def broken_off() -> Problem:
    """Say that the lines of proposals end in the middle."""
    detail = "The connection broke. Is its container running?"
    return Problem(502, "service-absent", "The refine service is not available", detail)


def unfit(what: str) -> Problem:
    """Say that an answer to a search does not come from the service."""
    return Problem(502, "service-nonsense", "The refine service gave an invalid answer", what)


def nonsense(what: str) -> Problem:
    """Say that an answer does not tell what happened."""
    return _doubtful(502, "service-nonsense", "The refine service gave an invalid answer", f"{what} {_LOOK}")


def lost() -> Problem:
    """Doubt a proxy that may have passed the request on."""
    detail = f"{_LOOK} Is the service's container running?"
    return _doubtful(502, "service-absent", "The refine service is not available", detail)


def slow() -> Problem:
    """Say that no answer came in time."""
    return _doubtful(504, "service-slow", "The refine service timed out", f"It did not answer in time. {_LOOK}")


def _doubtful(status: int, kind: str, title: str, detail: str) -> Problem:
    """Say that nobody knows whether the outline was written."""
    return Problem(status, kind, title, detail, written=None)
