"""Write an outline over an annotation and delete its points: nothing is lost, whatever fails or whoever meddles.

Nothing is deleted before the new location is known to be stored. What was read before is compared right before it is
overwritten or deleted; what changed meanwhile is somebody's work and stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import shapely

from app.errors import (
    AnnotationChanged,
    AnnotationNotFound,
    NotRefinable,
    PlatformError,
    PlatformUnavailable,
    ServiceError,
)
from app.geometry.locations import read_location
from app.usecases.ports import Annotation, Claim, PointAnnotation, Slide, SlideGateway, Stored

_NOT_WRITTEN = range(400, 502)
"""By these statuses the platform itself says that it has not written, which is believed unless the new outline is
there; those of a proxy say nothing of it."""


@dataclass(slots=True)
class Deletions:
    """What became of points."""

    deleted: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)
    """Handles of the deletions."""

    def commands_after(self, stored: Stored) -> tuple[int, ...]:
        """Give the handles of a write and of these deletions, in the order in which they were made."""
        return (*(() if stored.command is None else (stored.command,)), *self.commands)


@dataclass(frozen=True, slots=True)
class WriteBack:
    """The verb, with the room it needs."""

    gateway: SlideGateway
    claim: Claim

    def store(self, annotation: Annotation, location: str) -> Stored:
        """Write a new location, if nobody was faster.

        Errors that come after the platform was asked to write carry the fact `written`: true if the new outline is
        stored, None if that is not known. Without the fact nothing was written.

        Parameters
        ----------
        location : str
            WKT, platform frame.

        Raises
        ------
        AnnotationChanged
            Somebody edited or deleted it meanwhile; their work stands.
        ModelBusy, CallerGone
            The claim ended; nothing was written.
        PlatformError
            The platform refused or failed.
        """
        self._check_unchanged(annotation)
        self.claim.check()
        try:
            stored = self.gateway.store_location(annotation, location)
        except PlatformError as error:
            if self._is_stored(annotation, location):  # whatever was answered
                error.facts["written"] = True
            elif error.facts.get("core_status") not in _NOT_WRITTEN:
                error.facts["written"] = None
            raise
        if not _took(stored.location, annotation.location, location):
            return Stored(self._stored_after_all(annotation, location), stored.command)
        return stored

    def delete(self, slide: Slide, points: Iterable[PointAnnotation]) -> Deletions:
        """Delete points one by one, each as long as it is as it was read and the claim stands; never raises.

        A point that changed, or that the platform does not let go, is kept.
        """
        done = Deletions()
        for point in points:
            try:
                if not (self.claim.stands and self.gateway.is_as_read(slide, point)):
                    done.kept.append(point.id)
                    continue
                command = self.gateway.delete(point.id)
            except ServiceError:
                done.kept.append(point.id)
                continue
            done.deleted.append(point.id)
            if command is not None:
                done.commands.append(command)
        return done

    def _check_unchanged(self, annotation: Annotation) -> None:
        try:
            now = self.gateway.annotation(annotation.id)
        except AnnotationNotFound as error:
            raise AnnotationChanged(
                f"Annotation {annotation.id} was deleted while it was refined; nothing was written.",
                annotation_id=annotation.id,
            ) from error
        if (now.location, now.updated) != (annotation.location, annotation.updated):
            raise AnnotationChanged(
                f"Annotation {annotation.id} was edited while it was refined; nothing was written.",
                annotation_id=annotation.id,
            )

    def _stored_after_all(self, annotation: Annotation, location: str) -> str:
        """Look what is stored, where the platform's own answer does not tell."""
        try:
            now = self.gateway.annotation(annotation.id).location
        except ServiceError as error:
            raise PlatformUnavailable(
                f"Core did not say what it stored for annotation {annotation.id}, and cannot be asked.",
                annotation_id=annotation.id,
                written=None,
            ) from error
        if not _took(now, annotation.location, location):
            raise PlatformUnavailable(
                f"Core accepted the new outline of annotation {annotation.id}, but kept the old one.",
                annotation_id=annotation.id,
            )
        return now

    def _is_stored(self, annotation: Annotation, location: str) -> bool:
        try:
            return _took(self.gateway.annotation(annotation.id).location, annotation.location, location)
        except ServiceError:
            return False


def _took(stored: str, before: str, wanted: str) -> bool:
    """Whether a stored location is an outline and not the old one, unless the old one was wanted."""
    try:
        shape, old, new = (read_location(wkt) for wkt in (stored, before, wanted))
        return not shape.is_empty and (not shapely.equals(shape, old) or bool(shapely.equals(new, old)))
    except (NotRefinable, shapely.GEOSException):
        return False
