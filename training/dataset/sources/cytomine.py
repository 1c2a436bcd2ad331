"""A project of a Cytomine: annotations by term, user or review, through the official client."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import requests
import shapely
from cytomine import Cytomine
from cytomine.models import AnnotationCollection, ImageInstance, ImageInstanceCollection, TermCollection

from app.errors import InvalidPrompt
from app.geometry.frames import flip_geometry, flip_y
from app.geometry.locations import has_no_area, read_location
from app.geometry.windows import Window
from training.dataset.sources.files import reduced
from training.dataset.sources.source import SourceObject, SourceSlide
from training.errors import BrokenSource

WITHOUT_TERM = "without term"
_REACH_S = 20.0
_LARGEST_WINDOW_PX0 = 4096
"""Larger windows come reduced: Core sends windows at full resolution only, crops at any."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which annotations of a project are exported."""

    terms: tuple[str, ...] = ()
    """By name or id; empty: all, also those without a term."""
    users: tuple[int, ...] = ()
    """By id; empty: everybody's."""
    reviewed: bool = False
    """The reviewed copies in place of the users' annotations."""


class CytomineProject:
    """A project, read with the account that `connected` logged in.

    Parameters
    ----------
    project : int
        Its id.
    wanted : Wanted
        Which of its annotations.
    """

    def __init__(self, project: int, wanted: Wanted | None = None) -> None:
        self._project = project
        self._wanted = wanted or Wanted()
        self._terms = {int(term.id): str(term.name) for term in _fetched(TermCollection(), "project", project)}
        self._term_ids = [self._term_id(name) for name in self._wanted.terms]

    @property
    def name(self) -> str:
        """Tells projects apart."""
        return f"project {self._project}"

    def slides(self) -> Iterator[SourceSlide]:
        """Go through the images that are deployed."""
        for image in _fetched(ImageInstanceCollection(), "project", self._project):
            if image.width and image.height:
                mpp = getattr(image, "physicalSizeX", None)
                number = str(image.id)
                yield SourceSlide(number, number, int(image.width), int(image.height), float(mpp) if mpp else None)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject]:
        """Go through the wanted annotations of an image that have an area, oldest first."""
        asked = AnnotationCollection(image=int(slide.id), showMeta=True, showWKT=True, showTerm=True)
        asked.users = list(self._wanted.users) or None
        asked.terms = self._term_ids or None
        asked.reviewed = True if self._wanted.reviewed else None
        found = asked.fetch()
        if found is False:
            raise BrokenSource(f"Core does not list the annotations of image {slide.id}.")
        for annotation in sorted(found, key=lambda each: int(each.id)):
            if has_no_area(annotation.location or ""):
                continue
            try:
                shape = shapely.make_valid(flip_geometry(read_location(annotation.location or ""), slide.height))
            except InvalidPrompt as error:
                raise BrokenSource(f"Annotation {annotation.id}: {error.detail}") from error
            if shape.area > 0:
                yield SourceObject(str(annotation.id), self._type_of(annotation), shape)

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window: as it is while it is small, else reduced by the image server."""
        region = window.region
        image = ImageInstance(id=int(slide.id))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "window.png"
            if max(region.width, region.height) <= _LARGEST_WINDOW_PX0:
                done = image.window(region.left, region.top, region.width, region.height, dest_pattern=str(file))
            else:
                y_max, y_min = (flip_y(y, slide.height) for y in (region.top, region.top + region.height))
                box = shapely.box(region.left, y_min, region.left + region.width, y_max)
                scale = side_px / window.side_px0
                asked = {
                    "geometry": box.wkt, "complete": "true",
                    "maxSize": max(1, round(scale * max(region.width, region.height))),
                }  # fmt: skip
                route = f"imageinstance/{slide.id}/crop.png"
                done = Cytomine.get_instance().download_file(route, str(file), True, asked)
            pixels = cv2.imread(str(file), cv2.IMREAD_COLOR) if done else None
        if pixels is None:
            raise BrokenSource(f"Core does not send {region} of image {slide.id}.")
        return reduced(np.ascontiguousarray(pixels[..., ::-1], np.uint8), window, side_px)

    def _type_of(self, annotation: Any) -> str:
        names = [self._terms.get(int(term), f"term {term}") for term in annotation.term or []]
        return " + ".join(sorted(names)) or WITHOUT_TERM

    def _term_id(self, wanted: str) -> int:
        for number, name in self._terms.items():
            if wanted in {str(number), name}:
                return number
        known = ", ".join(sorted(self._terms.values())) or "none"
        raise BrokenSource(f"Project {self._project} has no term {wanted!r}; its terms: {known}.")


@contextmanager
def connected(host: str, public_key: str, private_key: str) -> Iterator[None]:
    """Log in for a while. The client is one per process: that is enough for a command that one person gives.

    Raises
    ------
    BrokenSource
        Nobody answers there, or the keys are not accepted.
    """
    logging.getLogger("cytomine.client").setLevel(logging.CRITICAL)  # our own errors say it better
    try:
        address = host if "://" in host else f"http://{host}"
        requests.get(f"{address}/server/ping", timeout=_REACH_S)  # the client itself would try again for minutes
        with Cytomine(host, public_key, private_key, use_cache=False, configure_logging=False) as client:
            if not client.current_user:
                raise BrokenSource(f"{host} does not accept these keys.")
            yield
    except requests.RequestException as error:
        raise BrokenSource(f"{host} cannot be reached: {type(error).__name__}.") from error


def _fetched(collection: Any, filter_name: str, number: int) -> Sequence[Any]:
    found = collection.fetch_with_filter(filter_name, number)
    if found is False:
        raise BrokenSource(f"Core does not show {filter_name} {number} to this account.")
    return list(found)
