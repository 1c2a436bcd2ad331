"""Core as the use cases see it: annotations, slides and points, read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from cytomine.models import Annotation as ClientAnnotation
from cytomine.models import ImageInstance

from app.errors import (
    AnnotationChanged,
    AnnotationNotFound,
    InvalidPrompt,
    PlatformForbidden,
    PlatformUnavailable,
    SlideNotFound,
    SlideNotReadable,
)
from app.gateway.http import CoreHttp, NotAsRead, NotThere
from app.gateway.points import CorePoints
from app.gateway.properties import CoreProperties
from app.gateway.records import check_is, ids_of, reading, text_of
from app.geometry.frames import Roi
from app.usecases.ports import Annotation, ApiKeys, Caller, Credentials, Plane, PointAnnotation, Slide, Stored

_USER_ANNOTATION = "UserAnnotation"


class CoreGateway:
    """The platform's Core, under one account.

    Parameters
    ----------
    http : CoreHttp
        Carries the account's signature, or a user's token.
    caller_id : int, optional
        The user whose account it is, if that user asks; None for the service account.
    """

    def __init__(self, http: CoreHttp, caller_id: int | None = None) -> None:
        self._http = http
        self._points = CorePoints(http)
        self._properties = CoreProperties(http)
        self._caller_id = caller_id

    def acting_as(self, caller: Caller) -> CoreGateway:
        """Give the same Core as the caller sees it."""
        return CoreGateway(self._http.acting_as(caller.credentials), caller.user_id)

    def identify(self, credentials: Credentials) -> Caller:
        """Tell whose credentials these are.

        Raises
        ------
        PlatformError
            Core does not accept them, or fails.
        """
        try:
            record = self._http.acting_as(credentials).get("user/current.json")
        except NotThere as error:
            raise PlatformUnavailable("Core does not say who the caller is.") from error
        with reading("user"):
            return Caller(int(record["id"]), credentials)

    def keys_of(self, public_key: str) -> ApiKeys | None:
        """Look the keys of a user up; None where nobody has this public key.

        Raises
        ------
        PlatformError
            Core fails, or the service account is no super administrator, who alone may see the keys of others.
        """
        try:
            record = self._http.get(f"userkey/{quote(public_key, safe='')}/keys.json")
        except NotThere:
            return None
        except PlatformForbidden as error:
            raise PlatformUnavailable(
                "Signatures cannot be checked: the service account may not look up the keys of users."
            ) from error
        with reading("keys"):
            return ApiKeys(str(record["publicKey"]), str(record["privateKey"]))

    def caller(self) -> int | None:
        """Tell who asks, by id; None where the service account acts for somebody unknown."""
        return self._caller_id

    def annotation(self, annotation_id: int) -> Annotation:
        """Read an annotation.

        Raises
        ------
        AnnotationNotFound
            Core knows no annotation of this id.
        InvalidPrompt
            It is not a user annotation (reviewed ones are not to be edited), or has no location.
        PlatformError
            Core refuses or fails.
        """
        try:
            record = self._http.get(ClientAnnotation(id=annotation_id).uri())
        except NotThere as error:
            raise AnnotationNotFound(f"There is no annotation {annotation_id}.", annotation_id=annotation_id) from error
        with reading("annotation"):
            check_is(record, annotation_id)
            kind = _kind(record)
        if kind != _USER_ANNOTATION:
            raise InvalidPrompt(
                f"Annotation {annotation_id} is a {kind}; only user annotations are refined.",
                annotation_id=annotation_id,
            )
        if not record.get("location"):
            raise InvalidPrompt(f"Annotation {annotation_id} has no location.", annotation_id=annotation_id)
        with reading("annotation"):
            return Annotation(
                id=int(record["id"]),
                location=str(record["location"]),
                slide_id=int(record["image"]),
                slice_id=_optional_int(record.get("slice")),
                user_id=int(record["user"]),
                term_ids=ids_of(record.get("term")),
                updated=text_of(record.get("updated")),
                record=record,
            )

    def slide(self, slide_id: int) -> Slide:
        """Read a slide.

        In a blind project Core hides the path of an image from all but managers, though it shows its pixels; the
        record of the image's slice, which members read as well, still has it.

        Raises
        ------
        SlideNotFound
            Core knows no image of this id.
        SlideNotReadable
            Its size or its path is missing: not deployed yet, or hidden from this account altogether.
        PlatformError
            Core refuses or fails.
        """
        try:
            record = self._http.get(ImageInstance(id=slide_id).uri())
        except NotThere as error:
            raise SlideNotFound(f"There is no image {slide_id}.", image_id=slide_id) from error
        if not record.get("path"):
            record = {**record, "path": self._path_of_slice(slide_id)}
        with reading("image"):
            check_is(record, slide_id)
        missing = [name for name in ("width", "height", "path") if not record.get(name)]
        if missing:
            raise SlideNotReadable(
                f"Core gives no {' and no '.join(missing)} of image {slide_id}: it is not deployed, "
                "or hidden from this account in a blind project.",
                image_id=slide_id,
                missing=missing,
            )
        with reading("image"):
            return Slide(
                id=int(record["id"]),
                width=int(record["width"]),
                height=int(record["height"]),
                path=str(record["path"]),
                bits_per_sample=int(record.get("bitPerSample") or 8),
                has_planes=any(int(record.get(name) or 1) > 1 for name in ("channels", "depth", "duration")),
                has_channels=int(record.get("channels") or 1) > 1,
            )

    def _path_of_slice(self, slide_id: int) -> object:
        try:
            return self._http.get(f"imageinstance/{slide_id}/sliceinstance/reference.json").get("path")
        except NotThere:
            return None

    def plane(self, slide: Slide, slice_id: int | None) -> Plane:
        """Tell which plane an annotation lies on; asks Core only for slides that have several.

        Raises
        ------
        PlatformError
            Core refuses or fails.
        """
        if not slide.has_planes:
            return Plane()
        uri = (
            f"imageinstance/{slide.id}/sliceinstance/reference.json"
            if slice_id is None
            else f"sliceinstance/{slice_id}.json"
        )
        try:
            record = self._http.get(uri)
        except NotThere as error:
            raise PlatformUnavailable(f"Core does not find the plane of image {slide.id}.") from error
        with reading("slice"):
            return Plane(
                channel=_optional_int(record.get("channel")) if slide.has_channels else None,
                z=int(record.get("zStack") or 0),
                t=int(record.get("time") or 0),
            )

    def points_in(self, slide: Slide, user_id: int, roi: Roi) -> Sequence[PointAnnotation]:
        """List a user's Point annotations in a box, oldest first; see `CorePoints`."""
        return self._points.inside(slide, user_id, roi)

    def is_plain(self, point: PointAnnotation) -> bool:
        """Whether a point is there and nothing hangs on it that the list of points does not show."""
        return self._points.is_plain(point)

    def is_as_read(self, slide: Slide, point: PointAnnotation) -> bool:
        """Whether a point is there as it was listed, and still plain."""
        return self._points.is_as_read(slide, point)

    def store_location(self, annotation: Annotation, location: str) -> Stored:
        """Write a new location over an annotation, everything else as it was read.

        Core simplifies once more by the ``geometryCompression`` of the body, so that is sent as 0. Where Core has our
        addition, it writes only if the annotation is as it was read; stock Core does not look (decision 0020).

        Parameters
        ----------
        location : str
            WKT, platform frame.

        Raises
        ------
        AnnotationChanged
            It is gone, or not as it was read.
        PlatformError
            Core refuses or fails.
        """
        edited = ClientAnnotation().populate({**annotation.record, "location": location, "geometryCompression": 0.0})
        try:
            answer = self._http.put(edited.uri(), edited.to_json(), if_match=annotation.updated)
        except (NotThere, NotAsRead) as error:
            raise AnnotationChanged(
                f"Annotation {annotation.id} was {error.what} while it was refined; nothing was written.",
                annotation_id=annotation.id,
            ) from error
        told = answer.get("annotation")
        return Stored(str(told.get("location") or "") if isinstance(told, dict) else "", _handle(answer))

    def delete(self, annotation_id: int) -> int | None:
        """Delete an annotation; gives the handle of Core's undo.

        Raises
        ------
        AnnotationNotFound
            It is gone already.
        PlatformError
            Core refuses or fails.
        """
        try:
            answer = self._http.delete(ClientAnnotation(id=annotation_id).uri())
        except NotThere as error:
            raise AnnotationNotFound(f"There is no annotation {annotation_id}.", annotation_id=annotation_id) from error
        return _handle(answer)

    def put_property(self, annotation_id: int, key: str, value: str) -> int | None:
        """Hang a text on an annotation, in place of what hangs there under the key; gives the handle of Core's undo.

        Raises
        ------
        AnnotationNotFound
            It is gone.
        PlatformError
            Core refuses or fails.
        """
        try:
            return _handle(self._properties.put(annotation_id, key, value))
        except NotThere as error:
            raise AnnotationNotFound(f"There is no annotation {annotation_id}.", annotation_id=annotation_id) from error


def _kind(record: Mapping[str, Any]) -> str:
    """Give the last part of Core's class name; raises `LookupError` or `AttributeError`."""
    kind: str = record["class"].rpartition(".")[2]
    return kind


def _handle(answer: Mapping[str, Any]) -> int | None:
    """Read the handle of a command; None if it is not a number."""
    found = answer.get("command")
    return found if type(found) is int else None


def _optional_int(value: object) -> int | None:
    return None if value is None else int(str(value))
