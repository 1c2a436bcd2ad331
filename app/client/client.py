"""Refine annotations over HTTP, with one's own API keys or a bearer token."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from app.signing import SignatureForm, sign, signed_text

_PAGE = 500
_LONGEST_WAIT_S = 60.0


class RefineFailed(Exception):
    """Core or the service refused; the annotation is as it was, unless the status is 504.

    Attributes
    ----------
    status : int
        HTTP status; 0 where no answer came.
    title, detail : str
        What the problem says.
    """

    def __init__(self, status: int, title: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Refined:
    """What became of one annotation."""

    annotation_id: int
    changed: bool
    score: float
    """Predicted IoU."""
    location: str
    """WKT, platform frame (origin bottom left, level-0 pixels)."""
    previous_location: str
    points_deleted: tuple[int, ...]
    command: int | None
    """The handle of Core's undo."""
    total_ms: float


class ApiKeyAuth(httpx.Auth):
    """Signs requests with a user's API keys.

    Parameters
    ----------
    form : 'full' or 'short'
        What is signed: 2025.1 or 2026.
    """

    def __init__(self, public_key: str, private_key: str, form: SignatureForm = "full") -> None:
        self._public_key, self._private_key, self._form = public_key, private_key, form

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the date and the signature."""
        date = format_datetime(datetime.now(UTC))
        kind, uri = request.headers.get("content-type", ""), request.url.raw_path.decode()
        signature = sign(self._private_key, signed_text(self._form, request.method, "", kind, date, uri))
        request.headers["date"] = date
        request.headers["authorization"] = f"CYTOMINE {self._public_key}:{signature}"
        yield request


class RefineClient:
    """Refines annotations through Core's addition, or at the service directly. Safe to share between threads.

    Parameters
    ----------
    host : str
        Base URL of Cytomine.
    auth : httpx.Auth
        `ApiKeyAuth`, or a bearer token's.
    service_url : str, optional
        The service with its prefix, such as ``http://localhost:6000/sam``: skips Core's addition.
    attempts : int
        How often a busy service (429 or 503, nothing was done) is asked.
    """

    def __init__(
        self,
        host: str,
        auth: httpx.Auth,
        *,
        service_url: str | None = None,
        attempts: int = 5,
        timeout_s: float = 120.0,
    ) -> None:
        self._host = host.rstrip("/")
        self._service_url = service_url and service_url.rstrip("/")
        self._attempts = attempts
        self._http = httpx.Client(auth=auth, timeout=httpx.Timeout(timeout_s, connect=10.0), trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def refine(
        self,
        annotation_id: int,
        *,
        keep_points: bool = False,
        points: Literal["auto", "all", "ignore"] = "auto",
        dry_run: bool = False,
    ) -> Refined:
        """Refine one annotation.

        Raises
        ------
        RefineFailed
        """
        if self._service_url:
            url = f"{self._service_url}/annotations/{annotation_id}/refine"
            body = {"keep_points": keep_points, "points": points, "dry_run": dry_run}
        else:
            url = f"{self._host}/api/annotation/{annotation_id}/sam"
            body = {"keepPoints": keep_points, "points": points, "dryRun": dry_run}
        answer = self._patiently("POST", url, json=body)
        result = answer if self._service_url else answer["refinement"]
        return Refined(
            annotation_id=annotation_id,
            changed=result["changed"],
            score=result["score"],
            location=result["location"],
            previous_location=result["previous_location"],
            points_deleted=tuple(result["points_deleted"]),
            command=result["command"],
            total_ms=result["timings_ms"]["total"],
        )

    def annotations(self, **filters: object) -> Iterator[int]:
        """List the ids of the user annotations that have an area.

        Parameters
        ----------
        **filters
            As Core's ``annotation.json`` takes them: ``project``, ``image``, ``term``, ``user``, ...

        Raises
        ------
        RefineFailed
        """
        asked = {name: str(value) for name, value in filters.items() if value is not None}
        offset = 0
        while True:
            page = {**asked, "showWKT": "true", "max": str(_PAGE), "offset": str(offset)}
            found = self._patiently("GET", f"{self._host}/api/annotation.json", params=page)["collection"]
            yield from (item["id"] for item in found if "POLYGON" in item["location"].upper())
            offset += len(found)
            if len(found) < _PAGE:
                return

    def _patiently(self, method: str, url: str, **sent: Any) -> dict[str, Any]:
        """Ask, and ask again while the other side is busy and has done nothing."""
        for left in range(self._attempts - 1, -1, -1):
            try:
                return self._ask(method, url, **sent)
            except RefineFailed as failure:
                if failure.retry_after_s is None or not left:
                    raise
                time.sleep(min(failure.retry_after_s, _LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _ask(self, method: str, url: str, **sent: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **sent)
        except httpx.HTTPError as error:
            raise RefineFailed(0, "No answer", str(error) or type(error).__name__) from error
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.status_code == 200 and isinstance(body, dict) and body:
            return body
        raise _failure(answer, body if isinstance(body, dict) else {})


def _failure(answer: httpx.Response, body: Mapping[str, Any]) -> RefineFailed:
    """Read a problem of the service, or one of Core's several forms of error."""
    errors = body.get("errors")
    theirs = errors.get("message", "") if isinstance(errors, dict) else str(errors or "")
    title = str(body.get("title") or answer.reason_phrase or "Error")
    wait = answer.headers.get("retry-after", "") if answer.status_code in {429, 503} else ""
    return RefineFailed(
        answer.status_code, title, str(body.get("detail") or theirs), float(wait) if wait.isdigit() else None
    )
