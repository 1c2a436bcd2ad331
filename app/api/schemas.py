"""What travels over the wire from the caller: the requests, checked. The answers are in `app.api.bodies`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.previews import MOST_CHARACTERS
from app.bounds import MAX_COORDINATE_PX0
from app.geometry.outlines import Style
from app.geometry.polygons import Holes, Parts
from app.usecases.find_points import PointsMode
from app.usecases.proposals import Choice
from app.usecases.refine_annotation import Doubtful

Identifier = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1, description="An id in Cytomine.")]
Number = Annotated[float, Field(strict=True)]
Place = Annotated[float, Field(strict=True, allow_inf_nan=False, description="Platform frame, level-0 pixels.")]
MOST_CLICKS = 200
MOST_EXEMPLARS = 20
MOST_PROPOSALS = 10_000
_PROPOSAL: Any = Field(
    None,
    description="Which of the model's masks: best, by its own score; single, its answer to unambiguous prompts; "
    "or one of the three proposals. Default: the one that the checkpoint is best at.",
)
_DETAIL: Any = Field(None, strict=True, ge=8, le=2000, description="The most vertices of the outline.")
_OUTLINE: Any = Field("smooth", description="smooth: few vertices, easy to edit; thesis: exactly as in the thesis.")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClickBody(_Request):
    """A place that the caller points at."""

    x: Place
    y: Place
    label: Annotated[Literal[0, 1], Field(description="1: object; 0: background.")] = 1


class RefineRequest(_Request):
    """Options of a refine; all may be left out."""

    keep_points: Annotated[bool, Field(strict=True, description="Keep the prompt points.")] = False
    points: PointsMode = Field(
        "auto", description="auto: refuse more than 20 points; all: use them all; ignore: box and clicks only."
    )
    dry_run: Annotated[
        bool, Field(strict=True, description="Compute but write nothing; the answer has a `preview`.")
    ] = False
    holes: Holes = Field("fill", description="fill or keep holes in the object.")
    parts: Parts = Field("all", description="keep all parts of the object, or only the largest.")
    box: tuple[Place, Place, Place, Place] | None = Field(
        None,
        description="The first box, [x_min, y_min, x_max, y_max]; default: the annotation's envelope. "
        "Send it with every click.",
    )
    clicks: Annotated[list[ClickBody], Field(max_length=MOST_CLICKS)] = Field(
        [], description="Clicks on the object or the background; a click on the object outside the box enlarges it."
    )
    proposal: Choice | None = _PROPOSAL
    detail: int | None = _DETAIL
    outline: Style = _OUTLINE
    doubtful: Doubtful | None = Field(
        None,
        description="What to do with a doubtful outline: write it, return it as a `preview`, "
        "or refuse it with 422. Default: the operator's choice.",
    )
    preview: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = Field(
        None,
        description="The text from an earlier answer: write exactly that outline, or nothing (409). "
        "Only keep_points may be combined with it.",
    )

    @model_validator(mode="after")
    def _previews_stand_alone(self) -> Self:
        if self.preview is not None and self.model_fields_set - {"preview", "keep_points"}:
            msg = "only keep_points may be combined with preview: what is written is what was shown"
            raise ValueError(msg)
        return self


class EmbeddingsRequest(_Request):
    """What to prepare for: an annotation, or a shape on an image."""

    annotation_id: Identifier | None = None
    image_id: Identifier | None = None
    geometry: AreaFeature | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        by_shape = self.image_id is not None and self.geometry is not None
        some = self.image_id is not None or self.geometry is not None
        if by_shape == (self.annotation_id is not None) or some != by_shape:
            msg = "give annotation_id, or image_id and geometry"
            raise ValueError(msg)
        return self


class AreaGeometry(BaseModel):
    """A GeoJSON Polygon or MultiPolygon of the platform frame; its envelope is the box prompt."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[Any] = Field(description="As in RFC 7946, in level-0 pixels, y up.")


class AreaFeature(BaseModel):
    """A GeoJSON Feature with an area."""

    type: Literal["Feature"]
    geometry: AreaGeometry
    properties: dict[str, Any] | None = None


class PointGeometry(BaseModel):
    """A GeoJSON Point of the platform frame."""

    type: Literal["Point"]
    coordinates: Annotated[list[Number], Field(min_length=2, max_length=3)]


class PointProperties(BaseModel):
    """What a point says."""

    label: Annotated[Literal[0, 1], Field(description="1: object; 0: background.")] = 1


class PointFeature(BaseModel):
    """A GeoJSON Feature with a point prompt."""

    type: Literal["Feature"]
    geometry: PointGeometry
    properties: PointProperties | None = Field(None, description="Default: the point is on the object.")

    @property
    def label(self) -> int:
        """1: object; 0: background."""
        return (self.properties or PointProperties()).label


class PredictionRequest(_Request):
    """A box and points to segment, or points and a rough size; nothing is written."""

    image_id: Identifier
    geometry: AreaFeature | None = None
    points: Annotated[list[PointFeature], Field(max_length=1000)] | None = None
    size: float | None = Field(
        None,
        strict=True,
        gt=0,
        le=MAX_COORDINATE_PX0,
        description="Without geometry: approximate length of the object's longer side, level-0 pixels.",
    )
    proposal: Choice | None = _PROPOSAL
    detail: int | None = _DETAIL
    outline: Style = _OUTLINE

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if (self.geometry is None) != (self.size is not None):
            msg = "give geometry, or size and at least one point on the object"
            raise ValueError(msg)
        if self.geometry is None and not any(point.label for point in self.points or ()):
            msg = "without geometry at least one point must lie on the object"
            raise ValueError(msg)
        return self


class ProposeRequest(_Request):
    """A region whose objects are to be outlined, all of them or those that are like some exemplars."""

    image_id: Identifier | None = None
    geometry: AreaFeature | None = Field(None, description="The region, platform frame.")
    annotation_id: Identifier | None = Field(
        None,
        description="Instead of geometry: the region is the shape of this annotation.",
    )
    like: Annotated[list[Identifier], Field(max_length=MOST_EXEMPLARS)] = Field(
        [], description="Annotations on the same image: propose only objects that look like them."
    )
    unlike: Annotated[list[Identifier], Field(max_length=MOST_EXEMPLARS)] = Field(
        [], description="Counter-examples; only together with `like`."
    )
    limit: int = Field(1000, strict=True, ge=1, le=MOST_PROPOSALS, description="The most proposals.")
    min_confidence: float = Field(
        0.0,
        strict=True,
        ge=0,
        le=1,
        description="Leave out proposals with a lower confidence (or score, without a calibration).",
    )
    detail: int | None = _DETAIL
    outline: Style = _OUTLINE

    @model_validator(mode="after")
    def _has_one_region(self) -> Self:
        by_shape, by_annotation = self.geometry is not None, self.annotation_id is not None
        if by_shape == by_annotation or (by_shape and self.image_id is None):
            msg = "give annotation_id, or image_id and geometry"
            raise ValueError(msg)
        if self.unlike and not self.like:
            msg = "unlike needs like: give at least one annotation of the objects to look for"
            raise ValueError(msg)
        return self


class SmartPredictionRequest(_Request):
    """A box to segment with the points that a user has drawn in it; nothing is written."""

    image_id: Identifier
    user_id: Identifier
    geometry: AreaFeature
