"""Refine annotations over HTTP, with one's own API keys or a bearer token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from cytomine_refine.answers import Refined, RefineFailed, refused, unanswered
from cytomine_refine.journal import Row
from cytomine_refine.options import Options, body_of
from cytomine_refine.outlines import Outline, Slide

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")
_PAGE = 500
_LONGEST_WAIT_S = 60.0


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

    Raises
    ------
    ValueError
        A URL does not begin with http:// or https://.
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
        self._host = _base_url(host)
        self._service_url = service_url and _base_url(service_url)
        self._attempts = attempts
        self._http = httpx.Client(auth=auth, timeout=httpx.Timeout(timeout_s, connect=10.0), trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def refine(self, annotation_id: int, **options: Unpack[Options]) -> Refined:
        """Refine one annotation, or see what that would give.

        Parameters
        ----------
        **options
            Those of `Options`.

        Raises
        ------
        RefineFailed
            Its `written` tells whether the outline was changed all the same.
        """
        body = body_of(options, to_core=not self._service_url)
        return self._refined(annotation_id, body, writes=not options.get("dry_run"))

    def accept(self, annotation_id: int, preview: str, *, keep_points: bool = False) -> Refined:
        """Write exactly what an earlier answer showed.

        Parameters
        ----------
        preview : str
            That answer's `preview`.

        Raises
        ------
        RefineFailed
            Also, with status 409, where it does not fit any more.
        """
        keep = "keep_points" if self._service_url else "keepPoints"
        return self._refined(annotation_id, {"preview": preview, keep: keep_points}, writes=True)

    def _refined(self, annotation_id: int, body: dict[str, Any], *, writes: bool) -> Refined:
        if self._service_url:
            url = f"{self._service_url}/annotations/{annotation_id}/refine"
        else:
            url = f"{self._host}/api/annotation/{annotation_id}/sam"
        return Refined.of(annotation_id, self._patiently("POST", url, writes=writes, json=body), writes=writes)

    def undo(self, refined: Refined | Row) -> None:
        """Take a refine back: all of its commands, the last one first, so that its points return too.

        Core restores what was there before the refine, whatever was done to the annotation since.

        Raises
        ------
        RefineFailed
            Also where Core takes nothing back: somebody else has refined, or it was taken back before.
        """
        urls = [f"{self._host}/api/command/{command}/undo.json" for command in reversed(refined.commands)]
        answers = [self._patiently("GET", url, writes=True) for url in urls]
        if not any(_took_back(answer) for answer in answers):
            raise RefineFailed(200, "Core took nothing back", "only whoever refined can take it back, and only once")

    def outline(self, annotation_id: int) -> Outline:
        """Look up one annotation; raises `RefineFailed`."""
        return _read(Outline.of, self._patiently("GET", f"{self._host}/api/annotation/{annotation_id}.json"))

    def slide(self, image_id: int) -> Slide:
        """Look up an image; raises `RefineFailed`."""
        return _read(Slide.of, self._patiently("GET", f"{self._host}/api/imageinstance/{image_id}.json"))

    def annotations(self, **filters: object) -> Iterator[int]:
        """List the ids of the user annotations that have an area; as `outlines`."""
        return (outline.annotation_id for outline in self.outlines(**filters))

    def outlines(self, **filters: object) -> Iterator[Outline]:
        """List the user annotations that have an area.

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
            page = {**asked, "showMeta": "true", "showWKT": "true", "max": str(_PAGE), "offset": str(offset)}
            found = self._patiently("GET", f"{self._host}/api/annotation.json", params=page).get("collection") or []
            yield from (_read(Outline.of, item) for item in found if "POLYGON" in str(item.get("location")).upper())
            offset += len(found)
            if len(found) < _PAGE:
                return

    def _patiently(self, method: str, url: str, *, writes: bool = False, **sent: Any) -> dict[str, Any]:
        """Ask, and ask again while the other side is busy and has done nothing."""
        for left in range(self._attempts - 1, -1, -1):
            try:
                return self._ask(method, url, writes=writes, **sent)
            except RefineFailed as failure:
                if failure.retry_after_s is None or failure.written is not False or not left:
                    raise
                time.sleep(min(failure.retry_after_s, _LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _ask(self, method: str, url: str, *, writes: bool, **sent: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **sent)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(error, self._base_of(url), writes=writes) from error
        try:
            body = answer.json() if answer.status_code == 200 else None
        except ValueError:
            body = None
        if isinstance(body, dict) and body:
            return body
        raise refused(answer, writes=writes)

    def _base_of(self, url: str) -> str:
        """Tell whom a request was for: the service or Core."""
        if self._service_url and url.startswith(self._service_url):
            return self._service_url
        return self._host


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text!r} is no base URL: it must begin with http:// or https://.")
    return text.rstrip("/")


def _took_back(answer: Mapping[str, Any]) -> bool:
    """Tell whether Core found the command: to one that is not on the caller's stack it answers without a callback."""
    return any(each.get("callback") is not None for each in answer.get("collection") or [])


def _read(shape: Callable[[Mapping[str, Any]], T], record: Mapping[str, Any]) -> T:
    """Shape a record of Core's; raises `RefineFailed`."""
    try:
        return shape(record)
    except (KeyError, TypeError, ValueError) as error:
        raise RefineFailed(200, "Core's answer is not understood", f"{type(error).__name__} {error}") from error
