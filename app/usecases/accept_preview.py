"""Write exactly the outline that was shown, or nothing: what is no longer valid is refused."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import AnnotationChanged, AnnotationNotFound, PreviewUnfit
from app.usecases.ports import Annotation, Claim, ModelInfo, SlideGateway
from app.usecases.preview import Preview, state_of
from app.usecases.refinement import Refinement
from app.usecases.timings import Stopwatch
from app.usecases.write_back import Deletions, WriteBack


@dataclass(frozen=True, slots=True)
class AcceptPreview:
    """The verb, with what it needs."""

    gateway: SlideGateway
    model: ModelInfo
    claim: Claim = Claim()

    def __call__(self, annotation_id: int, preview: Preview, *, keep_points: bool = False) -> Refinement:
        """Write what a preview shows.

        Raises
        ------
        PreviewUnfit
            It is of another annotation, was shown to somebody else, or other weights work here now.
        AnnotationChanged
            The annotation is not the one any more that it was computed from; its state stands.
        ModelBusy, CallerGone, PlatformError
            As `WriteBack.store`.
        """
        stopwatch = Stopwatch()
        with stopwatch.step("validity"):
            self._check_fits(annotation_id, preview)
            annotation = self._read(preview)
            doomed = () if keep_points or preview.keep_points else preview.points
            slide = self.gateway.slide(preview.recipe.slide_id) if doomed else None
        with stopwatch.step("update"):
            back = WriteBack(self.gateway, self.claim)
            stored = back.store(annotation, preview.recipe.location)
            deletions = back.delete(slide, doomed) if slide else Deletions()
        return Refinement(
            annotation_id=annotation_id,
            caller=preview.caller,
            outcome="changed",
            location=stored.location,
            previous_location=annotation.location,
            account=preview.recipe.account,
            points_used=tuple(point.id for point in preview.points),
            points_deleted=tuple(deletions.deleted),
            points_not_deleted=tuple(deletions.kept),
            command=stored.command,
            commands=deletions.commands_after(stored),
            model=self.model,
            timings_ms=stopwatch.timings_ms(),
            recipe=preview.recipe,
        )

    def _check_fits(self, annotation_id: int, preview: Preview) -> None:
        """See what can be seen without asking the platform."""
        if preview.annotation_id != annotation_id:
            raise PreviewUnfit(
                f"This preview belongs to annotation {preview.annotation_id}.", reason="other-annotation"
            )
        if preview.caller != self.gateway.caller():
            raise PreviewUnfit("This preview was made for another user.", reason="other-user")
        if preview.model_sha256 != self.model.sha256:
            raise PreviewUnfit("The weights have changed since this preview was made.", reason="other-model")

    def _read(self, preview: Preview) -> Annotation:
        """Read the annotation, with the caller's rights, if it still is what the preview was computed from."""
        number = preview.annotation_id
        try:
            annotation = self.gateway.annotation(number)
        except AnnotationNotFound as error:
            raise AnnotationChanged(
                f"Annotation {number} has been deleted since the preview; nothing was written.", annotation_id=number
            ) from error
        if state_of(annotation) == preview.state:
            return annotation
        if annotation.location == preview.recipe.location:
            raise PreviewUnfit(f"Annotation {number} already has this outline.", reason="accepted-already")
        raise AnnotationChanged(
            f"Annotation {number} has been edited since the preview; nothing was written.", annotation_id=number
        )
