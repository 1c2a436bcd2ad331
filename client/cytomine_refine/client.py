"""Refine annotations over HTTP, with your own API keys or a bearer token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from cytomine_refine.answers import Refined, RefineFailed, refused
from cytomine_refine.journal import Row
from cytomine_refine.options import Options, body_of
from cytomine_refine.outlines import Outline, Slide
from cytomine_refine.proposals import Proposal, Proposals, Wishes, box_wkt, question_of
from cytomine_refine.wire import Wire
from cytomine_refine.wkt import read_wkt, same_outline

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")
_PAGE = 500
_EVERY_VERTEX = 100_000
"""Keeps Core from thinning an outline that was seen before it was accepted."""


class RefineClient:
    """Refines annotations through the addition to Core, or at the service directly. Safe to share between threads.

    Parameters
    ----------
    host : str
        Base URL of Cytomine.
    auth : httpx.Auth
        `ApiKeyAuth`, or an `httpx.Auth` that sends a bearer token.
    service_url : str, optional
        The service with its prefix, such as ``http://localhost:6000/sam``, to bypass the addition to Core.
    attempts : int
        How often to try if the service is busy (429 or 503, nothing was done).
    timeout_s : float
        Longest wait for an answer, in seconds.

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
        self._wire = Wire(host, auth, service_url=service_url, attempts=attempts, timeout_s=timeout_s)

    @property
    def host(self) -> str:
        """Base URL of Cytomine."""
        return self._wire.host

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def refine(self, annotation_id: int, **options: Unpack[Options]) -> Refined:
        """Refine one annotation, or preview the result with `dry_run`.

        Parameters
        ----------
        **options
            Those of `Options`.

        Raises
        ------
        RefineFailed
            Its `written` says whether the outline was changed nevertheless.
        """
        body = body_of(options, to_core=not self._wire.service_url)
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
            Also, with status 409, if the preview is no longer valid.
        """
        keep = "keep_points" if self._wire.service_url else "keepPoints"
        return self._refined(annotation_id, {"preview": preview, keep: keep_points}, writes=True)

    def _refined(self, annotation_id: int, body: dict[str, Any], *, writes: bool) -> Refined:
        if self._wire.service_url:
            url = f"{self._wire.service_url}/annotations/{annotation_id}/refine"
        else:
            url = f"{self._wire.host}/api/annotation/{annotation_id}/sam"
        return Refined.of(annotation_id, self._wire.ask("POST", url, writes=writes, json=body), writes=writes)

    def propose(self, image_id: int, region: str | int | None = None, **wishes: Unpack[Wishes]) -> Proposals:
        """Search a region for all objects, or for those similar to given annotations; nothing is written.

        The search ends if you leave the loop or close the result.

        Parameters
        ----------
        region : str or int, optional
            WKT in the platform frame, or the id of an annotation; by default the whole image.
        **wishes
            Those of `Wishes`.

        Raises
        ------
        RefineFailed
            While you iterate.
        """
        if region is None:
            slide = self.slide(image_id)
            region = box_wkt(0, 0, slide.width, slide.height)
        body = question_of(region, image_id, wishes, to_core=not self._wire.service_url)
        if self._wire.service_url:
            url = f"{self._wire.service_url}/propose"
        else:
            url = f"{self._wire.host}/api/imageinstance/{image_id}/sam/propose"
        return Proposals(image_id, self._wire.lines(url, body))

    def accept_proposal(self, proposal: Proposal, terms: Sequence[int] = ()) -> Outline:
        """Store a proposal as an annotation; see `draw`."""
        return self.draw(proposal.image_id, proposal.location, terms)

    def draw(self, image_id: int, location: str, terms: Sequence[int] = ()) -> Outline:
        """Create an annotation through Core, with its rules; returns it as Core has stored it.

        Parameters
        ----------
        location : str
            WKT, platform frame.
        terms : sequence of int
            Ids of its terms.

        Raises
        ------
        RefineFailed
            If `written` is None, the answer was lost: check with `drawn_at` before you draw it again.
        """
        body = {"image": image_id, "location": location, "term": list(terms)}
        url = f"{self._wire.host}/api/annotation.json"
        answer = self._wire.ask("POST", url, writes=True, params={"maxPoint": _EVERY_VERTEX}, json=body)
        return _read(Outline.of, answer.get("annotation") or {})

    def drawn_at(self, image_id: int, location: str) -> Outline | None:
        """Find an annotation with this outline (WKT, platform frame); raises `RefineFailed`."""
        around = box_wkt(*read_wkt(location).bounds)
        near = self.outlines(image=image_id, bbox=around)
        return next((outline for outline in near if same_outline(outline.location, location)), None)

    def delete(self, annotation_id: int) -> None:
        """Delete an annotation; raises `RefineFailed`."""
        self._wire.ask("DELETE", f"{self._wire.host}/api/annotation/{annotation_id}.json", writes=True)

    def crop(self, image_id: int, box: str, longest_side_px: int) -> bytes:
        """Return a part of an image as JPEG.

        Parameters
        ----------
        box : str
            WKT, platform frame; must lie within the image.

        Raises
        ------
        RefineFailed
        """
        asked: dict[str, str | int] = {"geometry": box, "maxSize": longest_side_px, "complete": "true"}
        url = f"{self._wire.host}/api/imageinstance/{image_id}/crop.jpg"
        answer = self._wire.send("GET", url, writes=False, params=asked)
        if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith("image/"):
            raise refused(answer, writes=False)
        return answer.content

    def undo(self, refined: Refined | Row) -> None:
        """Undo a refine: all of its commands, the last one first, so that its points return, too.

        Core restores the state before the refine, even if the annotation was changed since.

        Raises
        ------
        RefineFailed
            Also if Core undoes nothing: somebody else refined, or the refine was undone before.
        """
        urls = [f"{self._wire.host}/api/command/{command}/undo.json" for command in reversed(refined.commands)]
        answers = [self._wire.ask("GET", url, writes=True) for url in urls]
        if not any(_took_back(answer) for answer in answers):
            raise RefineFailed(200, "Core undid nothing", "only the person who refined can undo it, and only once")

    def outline(self, annotation_id: int) -> Outline:
        """Look up one annotation; raises `RefineFailed`."""
        return _read(Outline.of, self._wire.ask("GET", f"{self._wire.host}/api/annotation/{annotation_id}.json"))

    def slide(self, image_id: int) -> Slide:
        """Look up an image; raises `RefineFailed`."""
        return _read(Slide.of, self._wire.ask("GET", f"{self._wire.host}/api/imageinstance/{image_id}.json"))

    def annotations(self, **filters: object) -> Iterator[int]:
        """List the ids of the user annotations that have an area; see `outlines`."""
        return (outline.annotation_id for outline in self.outlines(**filters))

    def outlines(self, **filters: object) -> Iterator[Outline]:
        """List the user annotations that have an area.

        Parameters
        ----------
        **filters
            Those of Core's ``annotation.json``: ``project``, ``image``, ``term``, ``user``, ...

        Raises
        ------
        RefineFailed
        """
        asked = {name: str(value) for name, value in filters.items() if value is not None}
        offset = 0
        while True:
            page = {**asked, "showMeta": "true", "showWKT": "true", "max": str(_PAGE), "offset": str(offset)}
            found = self._wire.ask("GET", f"{self._wire.host}/api/annotation.json", params=page).get("collection") or []
            yield from (_read(Outline.of, item) for item in found if "POLYGON" in str(item.get("location")).upper())
            offset += len(found)
            if len(found) < _PAGE:
                return


def _took_back(answer: Mapping[str, Any]) -> bool:
    """Tell whether Core found the command: to one that is not on the caller's stack it answers without a callback."""
    return any(each.get("callback") is not None for each in answer.get("collection") or [])


def _read(shape: Callable[[Mapping[str, Any]], T], record: Mapping[str, Any]) -> T:
    """Shape a record of Core's; raises `RefineFailed`."""
    try:
        return shape(record)
    except (KeyError, TypeError, ValueError) as error:
        raise RefineFailed(200, "Core's answer cannot be understood", f"{type(error).__name__} {error}") from error
