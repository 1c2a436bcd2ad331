"""Slides and planes as a caller has read them a moment ago, so that a click asks the platform for its rights only.

A slide does not change its size. Whether the caller may see it is shown by the annotation, which is read each time with
the caller's own credentials: both belong to one project (decision 0032).
"""

from __future__ import annotations

import threading

from cachetools import TTLCache

from app.usecases.ports import Annotation, Plane, Slide, SlideGateway

KEPT_S = 60.0
"""As long as it is remembered whose a token is."""
_MOST = 4096

_Key = tuple[int | None, int, int | None]


class SlideRecords:
    """Remembers for each caller what they have read themselves. Safe to share between threads."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._guard = threading.Lock()
        self._kept: TTLCache[_Key, tuple[Slide, Plane]] = TTLCache(_MOST, kept_s)

    def of(self, gateway: SlideGateway, annotation: Annotation, *, fresh: bool) -> tuple[Slide, Plane]:
        """Give the slide and the plane of an annotation that the caller has just read.

        Parameters
        ----------
        fresh : bool
            Ask the platform, whatever is remembered.

        Raises
        ------
        SlideNotFound, SlideNotReadable, PlatformError
            As the platform says.
        """
        key = (gateway.caller(), annotation.slide_id, annotation.slice_id)
        with self._guard:
            known = None if fresh else self._kept.get(key)
        if known is not None:
            return known
        slide = gateway.slide(annotation.slide_id)
        read = slide, gateway.plane(slide, annotation.slice_id)
        with self._guard:
            self._kept[key] = read
        return read
