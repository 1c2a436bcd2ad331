"""Core's points: which lie in a box, and whether anything hangs on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from http import HTTPStatus

import shapely
from cytomine.models import AnnotationCollection

from app.errors import PlatformUnavailable
from app.gateway.http import CoreHttp, NotThere
from app.gateway.records import is_point_record, point_of, reading, records_of
from app.geometry.frames import Roi, flip_y
from app.usecases.ports import PointAnnotation, Slide

_AROUND_PX0 = 1.0
_HANGING = ("property", "attachedfile")
"""What Core lists for any object; a description is single, and links are listed for annotations alone."""
_NO_TAG = 0
"""The id of no tag."""


class CorePoints:
    """The points of Core, as one account sees them.

    Parameters
    ----------
    http : CoreHttp
        Carries the account's signature, or a user's token.
    """

    def __init__(self, http: CoreHttp) -> None:
        self._http = http

    def inside(self, slide: Slide, user_id: int, roi: Roi) -> Sequence[PointAnnotation]:
        """List a user's Point annotations in a box, oldest first.

        Core filters by the box, so the cost does not depend on how many annotations the slide has.

        Parameters
        ----------
        roi : Roi
            Slide frame.

        Raises
        ------
        PlatformError
            Core refuses or fails.
        """
        box = shapely.box(roi.x_min, flip_y(roi.y_max, slide.height), roi.x_max, flip_y(roi.y_min, slide.height))
        wanted = AnnotationCollection(
            image=slide.id, user=user_id, bbox=box.wkt, showMeta=True, showWKT=True, showTerm=True, showTrack=True
        )
        try:
            answer = self._http.get(wanted.uri(), wanted.parameters)
        except NotThere:  # the user is gone: so are the points that could be prompts
            return []
        with reading("list of annotations"):
            points = [point_of(record, slide.id, user_id) for record in records_of(answer) if is_point_record(record)]
        return sorted(points, key=lambda point: point.id)

    def is_plain(self, point: PointAnnotation) -> bool:
        """Whether a point is there and nothing hangs on it that the list of points does not show.

        Core takes all of that along when it deletes the point, and its undo does not bring all of it back. An answer
        that is not understood means that something does.

        Raises
        ------
        PlatformError
            Core refuses or fails.
        """
        return all(_side_by_side(self._notes(point)))

    def is_as_read(self, slide: Slide, point: PointAnnotation) -> bool:
        """Whether a point is there as it was listed, and still plain.

        Raises
        ------
        PlatformError
            Core refuses or fails.
        """
        x, y = point.x, flip_y(point.y, slide.height)
        around = Roi(x - _AROUND_PX0, y - _AROUND_PX0, x + _AROUND_PX0, y + _AROUND_PX0)
        return all(
            _side_by_side(
                [lambda: point in self.inside(slide, point.user_id, around), *self._notes(point)],
            )
        )

    def _notes(self, point: PointAnnotation) -> list[Callable[[], bool]]:
        """Give what asks for each kind of thing that may hang on a point: whether there is none."""
        uris = [f"domain/{point.domain}/{point.id}/{what}.json" for what in _HANGING]
        uris.append(f"annotation/{point.id}/annotationlink.json")
        description = f"domain/{point.domain}/{point.id}/description.json"
        return [
            *(partial(self._is_empty, uri) for uri in uris),
            partial(self._is_undescribed, description),
            partial(self._is_untagged, point),
        ]

    def _is_empty(self, uri: str) -> bool:
        try:
            return self._http.get(uri).get("collection") == []
        except NotThere:  # the point is gone, or this Core has no such list
            return False

    def _is_untagged(self, point: PointAnnotation) -> bool:
        """Whether a point has no tags. Where Core fails to list them (2026 does for most users), its filter tells."""
        try:
            return self._is_empty(f"domain/{point.domain}/{point.id}/tag_domain_association.json")
        except PlatformUnavailable as error:
            if error.facts.get("core_status") != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        around = shapely.Point(point.x, point.y).buffer(_AROUND_PX0).envelope
        listed = AnnotationCollection(image=point.slide_id, user=point.user_id, bbox=around.wkt)
        untagged = {"tags": _NO_TAG, "noTag": True}
        answer = self._http.get(listed.uri(), {**listed.parameters, **untagged})
        with reading("list of annotations"):
            return any(record["id"] == point.id for record in records_of(answer))

    def _is_undescribed(self, uri: str) -> bool:
        try:
            self._http.get(uri)
        except NotThere as error:
            return error.core_says.startswith("Description")  # and not the point itself, or the page
        return False


def _side_by_side(asks: Sequence[Callable[[], bool]]) -> list[bool]:
    """Ask several things at a time; the way to Core counts more than its work."""
    with ThreadPoolExecutor(len(asks), "notes") as pool:
        answers = [pool.submit(copy_context().run, ask) for ask in asks]
    return [answer.result() for answer in answers]
