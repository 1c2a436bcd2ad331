"""A project of a Cytomine: annotations by term, user or review, through the official client."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
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
from training.dataset.sources.source import Passed, Refused, SourceObject, SourceSlide
from training.errors import BrokenSource, SourceGone

WITHOUT_TERM = "without term"
_REACH_S = 20.0
_ODD = (TypeError, ValueError, AttributeError, KeyError)
"""What comes of answers that are JSON, and not what Core should say."""
_reached: list[str] = []
"""Addresses that `connected` logged in to, the present one last; the client is one per process, too."""
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
        self._term_ids = {self._term_id(name) for name in self._wanted.terms}
        self._images = _fetched(ImageInstanceCollection(), "project", project)

    @property
    def name(self) -> str:
        """Tells projects apart."""
        return f"project {self._project}" + (", reviewed" if self._wanted.reviewed else "")

    @property
    def place(self) -> str:
        """The address of the Cytomine, and the project."""
        return f"{Cytomine.get_instance().host}#{self.name}"

    def count(self) -> int:
        """How many images there are."""
        return len(self._images)

    def slides(self) -> Iterator[SourceSlide | Refused]:
        """Go through the images that are deployed."""
        for image in self._images:
            number = str(image.id)
            if not image.width or not image.height:
                yield Refused(f"image {number}", "Core does not know its size: is it deployed?", number)
                continue
            mpp, original = getattr(image, "physicalSizeX", None), getattr(image, "baseImage", None)
            copies = f"{Cytomine.get_instance().host}#{original}" if original else ""
            size = (int(image.width), int(image.height))
            yield SourceSlide(number, number, *size, float(mpp) if mpp else None, image=copies)

    def objects(self, slide: SourceSlide) -> Iterator[SourceObject | Passed | Refused]:
        """Go through all annotations of an image, oldest first; those that are not asked for say so."""
        asked = AnnotationCollection(image=int(slide.id), showMeta=True, showWKT=True, showTerm=True)
        asked.reviewed = True if self._wanted.reviewed else None
        try:
            found = _answered(asked.fetch)
            ordered = sorted(found, key=lambda each: int(each.id))
        except _ODD as error:  # also False, which the client gives for a refusal
            raise BrokenSource(f"Core does not list the annotations of image {slide.id}") from error
        for annotation in ordered:
            try:
                yield self._record(annotation, slide)
            except _ODD as error:
                what = f"image {slide.id}, annotation {annotation.id}"
                yield Refused(what, f"Core's answer about it is odd: {type(error).__name__} {error}")

    def _record(self, annotation: Any, slide: SourceSlide) -> SourceObject | Passed | Refused:
        name, location = str(annotation.id), annotation.location or ""
        what = f"image {slide.id}, annotation {name}"
        if has_no_area(location):
            return Passed(what, "it has no area")
        try:
            shape = flip_geometry(read_location(location), slide.height)
        except InvalidPrompt as error:
            return Refused(what, error.detail.rstrip("."))
        if shape.area == 0 and shape.geom_type == "Point":
            return Passed(what, "it has no area")
        return SourceObject(name, self._type_of(annotation), shape, f"annotation {name}", self._is_wanted(annotation))

    def _is_wanted(self, annotation: Any) -> bool:
        terms = {int(term) for term in annotation.term or []}
        users = self._wanted.users
        return (not self._term_ids or bool(terms & self._term_ids)) and (not users or annotation.user in users)

    def pixels(self, slide: SourceSlide, window: Window, side_px: int) -> npt.NDArray[np.uint8]:
        """Read the region of a window: as it is while it is small, else reduced by the image server."""
        region = window.region
        image = ImageInstance(id=int(slide.id))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "window.png"
            if max(region.width, region.height) <= _LARGEST_WINDOW_PX0:
                size = (region.left, region.top, region.width, region.height)
                done = _answered(partial(image.window, *size, dest_pattern=str(file)))
            else:
                y_max, y_min = (flip_y(y, slide.height) for y in (region.top, region.top + region.height))
                box = shapely.box(region.left, y_min, region.left + region.width, y_max)
                scale = side_px / window.side_px0
                asked = {
                    "geometry": box.wkt, "complete": "true",
                    "maxSize": max(1, round(scale * max(region.width, region.height))),
                }  # fmt: skip
                route = f"imageinstance/{slide.id}/crop.png"
                done = _answered(partial(Cytomine.get_instance().download_file, route, str(file), True, asked))
            pixels = cv2.imread(str(file), cv2.IMREAD_COLOR) if done else None
        if pixels is None:
            raise BrokenSource(f"Core does not send {region} of image {slide.id}")
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
            _reached.append(address)
            yield
    except requests.RequestException as error:
        raise BrokenSource(
            f"{host} cannot be reached: check --host (CYTOMINE_HOST) and whether it is running."
        ) from error


def _answered(ask: Callable[[], Any]) -> Any:
    """Ask Core for something; a Core that does not answer anything any more ends the export.

    Raises
    ------
    BrokenSource
        This answer does not come.
    SourceGone
        Nor does any other.
    """
    try:
        return ask()
    except requests.RequestException as error:
        try:
            requests.get(f"{_reached[-1]}/server/ping", timeout=_REACH_S)
        except requests.RequestException:
            raise SourceGone(f"Core has stopped answering: {type(error).__name__}.") from error
        raise BrokenSource(f"Core's answer was cut short: {type(error).__name__}") from error


def _fetched(collection: Any, filter_name: str, number: int) -> Sequence[Any]:
    found = collection.fetch_with_filter(filter_name, number)
    if found is False:
        raise BrokenSource(f"Core does not show {filter_name} {number} to this account.")
    return list(found)
