"""Requests to Core and the service, and what becomes of those that are not answered as they should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

from cytomine_refine.answers import RefineFailed, object_in, refused, unanswered

_LONGEST_WAIT_S = 60.0


class Wire:
    """A connection to Core, and to the service where it is asked itself. Safe to share between threads.

    Parameters
    ----------
    attempts : int
        How often a busy side (429 or 503, nothing was done) is asked.

    Raises
    ------
    ValueError
        A URL does not begin with http:// or https://.
    """

    def __init__(
        self, host: str, auth: httpx.Auth, *, service_url: str | None, attempts: int, timeout_s: float
    ) -> None:
        self.host = _base_url(host)
        self.service_url = service_url and _base_url(service_url)
        self._attempts = attempts
        self._http = httpx.Client(auth=auth, timeout=httpx.Timeout(timeout_s, connect=10.0), trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, url: str, *, writes: bool = False, **sent: Any) -> dict[str, Any]:
        """Ask for a JSON object, again while the other side is busy and has done nothing; raises `RefineFailed`."""
        for left in range(self._attempts - 1, -1, -1):
            try:
                return self._asked(method, url, writes=writes, **sent)
            except RefineFailed as failure:
                if failure.retry_after_s is None or failure.written is not False or not left:
                    raise
                time.sleep(min(failure.retry_after_s, _LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _asked(self, method: str, url: str, *, writes: bool, **sent: Any) -> dict[str, Any]:
        answer = self.send(method, url, writes=writes, **sent)
        body = object_in(answer) if answer.status_code == 200 else {}
        if body:
            return body
        raise refused(answer, writes=writes)

    def send(self, method: str, url: str, *, writes: bool, **sent: Any) -> httpx.Response:
        """Send once, and give the answer whatever it is; raises `RefineFailed` where there is none."""
        try:
            return self._http.request(method, url, **sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(error, self._base_of(url), writes=writes) from error

    def lines(self, url: str, body: dict[str, Any]) -> Iterator[str]:
        """Give the lines of an answer as they come; a busy service is asked again. Closing it closes the connection."""
        for left in range(self._attempts - 1, -1, -1):
            try:
                with self._http.stream("POST", url, json=body) as answer:
                    if answer.status_code == 200:
                        yield from answer.iter_lines()
                        return
                    answer.read()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise unanswered(error, self._base_of(url), writes=False) from error
            failure = refused(answer, writes=False)
            if failure.retry_after_s is None or not left:
                raise failure
            time.sleep(min(failure.retry_after_s, _LONGEST_WAIT_S))

    def _base_of(self, url: str) -> str:
        """Tell whom a request was for: the service or Core."""
        if self.service_url and url.startswith(self.service_url):
            return self.service_url
        return self.host


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is not a base URL: it must begin with http:// or https://.")
    return text.rstrip("/")
