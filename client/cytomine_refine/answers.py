"""Answers: an outline, or the reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from typing_extensions import Self

_KEYS = (
    "Core does not know these API keys; your account page shows yours. Core 2025.1 expects the full signature,"
    " Core 2026 the short one."
)
_ADDRESS = "Check the address, and whether it is running."

_URN = "urn:cytomine-refine:"
_TELLS_OF_WRITES = "platform-"
"""So begin the service's errors that may come after a write; where they came after one they say so."""
_ABSENT = {"service-absent", "service-unreachable", "not-public"}
"""Nobody reaches the service, whatever is asked."""


class RefineFailed(Exception):
    """Core or the service refused, or did not answer.

    Attributes
    ----------
    status : int
        HTTP status; 0 if there was no answer.
    title, detail : str
        What the problem says.
    written : bool or None
        Whether the outline was changed nevertheless; None if that is not known, so check it before you repeat.
    retry_after_s : float or None
        Set if the server was busy and did nothing.
    hopeless : bool
        Whether every other request would also fail: the server cannot be reached, or the keys are wrong.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        written: bool | None = False,
        retry_after_s: float | None = None,
        hopeless: bool = False,
    ) -> None:
        what = f"{status} {title}" if status else title
        super().__init__(f"{what}: {detail}" if detail else what)
        self.status, self.title, self.detail = status, title, detail
        self.written, self.retry_after_s, self.hopeless = written, retry_after_s, hopeless


@dataclass(frozen=True, slots=True)
class Refined:
    """The result of refining one annotation."""

    annotation_id: int
    image_id: int | None
    """None if the service was called directly and does not say."""
    changed: bool
    score: float
    """Predicted IoU."""
    location: str
    """WKT, platform frame (origin bottom left, level-0 pixels); with a dry run, the outline that would be stored."""
    previous_location: str
    points_used: tuple[int, ...]
    points_deleted: tuple[int, ...]
    commands: tuple[int, ...]
    """Handles of Core's undo, in order: that of the outline, then one for each deleted point."""
    doubts: tuple[str, ...]
    """Reasons to check the outline."""
    total_ms: float
    confidence: float = 0.0
    """How sure the service is, 0 to 1."""
    doubtful: bool = False
    """Whether to check the outline before it is written."""
    preview: str | None = None
    """If nothing was written: the text that `RefineClient.accept` takes."""
    proposal: str | int | None = None
    """The mask that was used."""
    proposals: tuple[Mapping[str, Any], ...] = ()
    """All three, with a preview: index, score, area_px0, geometry."""
    box: tuple[float, ...] | None = None
    """The box used as prompt, enlarged by clicks outside it."""

    @classmethod
    def of(cls, annotation_id: int, answer: Mapping[str, Any], *, writes: bool = True) -> Self:
        """Read the answer of Core's addition, or of the service itself.

        Raises
        ------
        RefineFailed
            Whoever answered is not the service.
        """
        try:
            result = answer.get("refinement", answer)
            command = result["command"]
            return cls(
                annotation_id=annotation_id,
                image_id=result.get("image_id") or (answer.get("annotation") or {}).get("image"),
                changed=result["changed"],
                score=result["score"],
                location=result["location"],
                previous_location=result["previous_location"],
                points_used=tuple(result["points_used"]),
                points_deleted=tuple(result["points_deleted"]),
                commands=tuple(result.get("commands") or ([] if command is None else [command])),
                doubts=tuple(result.get("doubts") or ()),
                total_ms=result["timings_ms"]["total"],
                confidence=result.get("confidence", result["score"]),
                doubtful=result.get("doubtful", False),
                preview=result.get("preview"),
                proposal=result.get("proposal"),
                proposals=tuple(result.get("proposals") or ()),
                box=tuple(result["box"]) if result.get("box") else None,
            )
        except (AttributeError, KeyError, TypeError) as error:
            written = None if writes else False
            raise RefineFailed(200, "This is not an answer from the refine service", written=written) from error


def unanswered(error: httpx.HTTPError | httpx.InvalidURL, url: str, *, writes: bool) -> RefineFailed:
    """Say that nobody answered, and whether the request can have arrived."""
    reason = re.sub(r"\[Errno -?\d+\] ", "", str(error)).strip() or type(error).__name__
    never_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
    if isinstance(error, never_sent):
        return RefineFailed(0, f"{url} cannot be reached", f"{reason}. {_ADDRESS}", hopeless=True)
    return RefineFailed(0, f"{url} did not answer", reason, written=None if writes else False)


def refused(answer: httpx.Response, *, writes: bool) -> RefineFailed:
    """Read a problem of the service, or one of Core's several forms of error."""
    body, status = object_in(answer), answer.status_code
    errors = body.get("errors")
    theirs = errors.get("message", "") if isinstance(errors, dict) else str(errors or "")
    wait = answer.headers.get("retry-after", "") if status in {429, 503} else ""
    kind = str(body.get("type") or "").removeprefix(_URN)
    written = _written(status, kind, body) if writes else False
    return RefineFailed(
        status,
        str(body.get("title") or _title(status)),
        str(body.get("detail") or theirs or _hint(answer)),
        written=written,
        retry_after_s=float(wait) if wait.isdigit() else None,
        hopeless=status == 401 or (kind in _ABSENT and written is False),
    )


def problem_in(body: Any) -> RefineFailed:
    """Read a problem that came in the middle of an answer; nothing was written."""
    told = body if isinstance(body, dict) else {}
    status = told.get("status") if isinstance(told.get("status"), int) else 0
    return RefineFailed(
        status or 0, str(told.get("title") or "The search stopped early"), str(told.get("detail") or "")
    )


def object_in(answer: httpx.Response) -> dict[str, Any]:
    """Read a JSON object, in the encoding that its header names: what Core makes comes as Latin-1; {} if it is none."""
    try:
        body = json.loads(answer.text)
    except ValueError:  # Core's 401 and 500 are HTML, whatever they call themselves
        return {}
    return body if isinstance(body, dict) else {}


def _written(status: int, kind: str, body: Mapping[str, Any]) -> bool | None:
    """Believe what the service says of its write; an error that comes from between us leaves it open."""
    if "written" in body:
        return body["written"] if isinstance(body["written"], bool) else None
    if kind.startswith(_TELLS_OF_WRITES) or kind == "service-unreachable":
        return False
    return None if status in {200, 500, 502, 504} else False


def _hint(answer: httpx.Response) -> str:
    if answer.status_code == 401:
        return _KEYS
    if answer.is_redirect:
        return f"it redirects to {answer.headers.get('location')}; use that address"
    return ""


def _title(status: int) -> str:
    if status == 200:
        return "This is not an answer from Core or the refine service"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
