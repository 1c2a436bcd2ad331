"""What travels over the wire: the requests, checked, and the answers, documented."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.previews import MOST_CHARACTERS
from app.bounds import MAX_COORDINATE_PX0
from app.geometry.outlines import Style
from app.geometry.polygons import Holes, Parts
from app.usecases.find_points import PointsMode
from app.usecases.proposals import Choice, Taken
from app.usecases.refine_annotation import Doubtful
from app.usecases.refinement import Provenance

Identifier = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1, description="An id of the platform.")]
Number = Annotated[float, Field(strict=True)]


Place = Annotated[float, Field(strict=True, allow_inf_nan=False, description="Platform frame, level-0 pixels.")]
MOST_CLICKS = 200
_PROPOSAL: Any = Field(
    None,
    description="Which of the model's masks: best, by its own score; single, its answer where prompts leave no doubt; "
    "or one of the three proposals. Default: what the checkpoint is best at.",
)
_DETAIL: Any = Field(None, strict=True, ge=8, le=2000, description="The most vertices that the outline may have.")
_OUTLINE: Any = Field("smooth", description="smooth: light and easy to edit; thesis: exactly as the thesis has it.")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClickBody(_Request):
    """A place that the caller points at."""

    x: Place
    y: Place
    label: Annotated[Literal[0, 1], Field(description="1: object; 0: background.")] = 1


class RefineRequest(_Request):
    """Options of a refine; all may be left out."""

    keep_points: Annotated[bool, Field(strict=True, description="Leave the prompt points in place.")] = False
    points: PointsMode = Field(
        "auto", description="auto: refuse more than 20 points; all: use them all; ignore: box and clicks only."
    )
    dry_run: Annotated[bool, Field(strict=True, description="Compute and write nothing; answers a `preview`.")] = False
    holes: Holes = Field("fill", description="fill, or keep, background that the object surrounds.")
    parts: Parts = Field("all", description="all components of the object, or only the largest.")
    box: tuple[Place, Place, Place, Place] | None = Field(
        None,
        description="The first box, [x_min, y_min, x_max, y_max]; default: the annotation's envelope. "
        "Send it with every click, so that the prompts stay those of the object.",
    )
    clicks: Annotated[list[ClickBody], Field(max_length=MOST_CLICKS)] = Field(
        [], description="Clicks on the object or on the background; one on the object outside of the box makes it grow."
    )
    proposal: Choice | None = _PROPOSAL
    detail: int | None = _DETAIL
    outline: Style = _OUTLINE
    doubtful: Doubtful | None = Field(
        None,
        description="What becomes of an outline that should be looked at first: it is written, shown as a `preview`, "
        "or refused with 422. Default: the operator's choice.",
    )
    preview: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = Field(
        None,
        description="The text of an earlier answer: write exactly what it showed, or nothing (409). "
        "Only keep_points may stand beside it.",
    )

    @model_validator(mode="after")
    def _previews_stand_alone(self) -> Self:
        if self.preview is not None and self.model_fields_set - {"preview", "keep_points"}:
            msg = "only keep_points may stand beside preview: what is written is what was shown"
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


class EmbeddingsBody(BaseModel):
    """What is being prepared."""

    window: PlaceBody


class AreaGeometry(BaseModel):
    """A GeoJSON Polygon or MultiPolygon of the platform frame; its envelope is the box prompt."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[Any] = Field(description="As RFC 7946 says, in level-0 pixels, y up.")


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
    properties: PointProperties | None = Field(None, description="Null or left out: the point shows the object.")

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
        description="Without geometry: the rough longer side of the object, level-0 pixels.",
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


class SmartPredictionRequest(_Request):
    """A box to segment with the points that a user has drawn in it; nothing is written."""

    image_id: Identifier
    user_id: Identifier
    geometry: AreaFeature


class PlaceBody(BaseModel):
    """A square of the slide frame (origin top left), level-0 pixels."""

    x: int
    y: int
    width: int
    height: int


class WindowBody(PlaceBody):
    """Where the model looked, and how coarsely."""

    downsample: float


class ModelBody(BaseModel):
    """Which model gave the result."""

    name: str
    origin: str
    checkpoint_sha256: str
    precision: str
    device: str


class FeatureBody(BaseModel):
    """A GeoJSON Feature of the platform frame."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: dict[str, Any]


class ProposalBody(BaseModel):
    """One of the model's three proposals."""

    index: int
    score: float
    area_px0: float
    geometry: dict[str, Any] | None = Field(description="GeoJSON, platform frame; null if there is nothing in it.")


class RefineResult(BaseModel):
    """What became of an annotation."""

    message: str
    annotation_id: int
    changed: bool
    location: str = Field(description="WKT as stored; with a dry run, as it would be.")
    geojson: FeatureBody
    previous_location: str
    score: float = Field(description="The model's own estimate of the IoU, 0 to 1.")
    confidence: float = Field(description="How sure the service is, 0 to 1; the score where nothing is calibrated.")
    calibrated: bool = Field(description="Whether the confidence was measured for this checkpoint.")
    doubts: list[str] = Field(description="Why this outline should be looked at twice, in words; to be shown with it.")
    doubtful: bool = Field(description="Whether it should be looked at before it is written.")
    proposal: Taken = Field(description="Which of the model's masks this is.")
    proposals: list[ProposalBody] = Field(description="All three, where a preview is answered.")
    box: list[float] | None = Field(description="The box that was the prompt, grown by clicks outside of it.")
    preview: str | None = Field(
        description="Where nothing was written, after a dry run or for doubt: what to send back to write the outline."
    )
    points_used: list[int]
    points_deleted: list[int]
    points_not_deleted: list[int] = Field(
        description="Points that were used and stay: they changed meanwhile, the platform did not let us delete them, "
        "or the time was up."
    )
    command: int | None = Field(description="Handle of the platform's undo; null if nothing was written.")
    commands: list[int] = Field(
        description="Handles of all that was done, in that order: the outline, then each deleted point. "
        "To take a refine back whole, undo them from the last to the first."
    )
    provenance: Provenance | None = Field(
        description="Where the operator wants it: whether a property of the annotation tells now where its outline "
        "comes from. That it could not be noted changes nothing else."
    )
    model: ModelBody
    window: WindowBody
    timings_ms: dict[str, float]


class ProblemBody(BaseModel):
    """An RFC 9457 problem; facts follow as extra members.

    One of them is `written`, where the platform had been asked to write: true if the outline was changed all the same,
    null if that is not known. Without it nothing was written.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


class HealthBody(BaseModel):
    """Alive, and what runs here."""

    status: Literal["healthy"] = "healthy"
    version: str
    gpu: bool
    ready: bool
    model: ModelBody
    warning: str | None = Field(description="Set while the embedded demo model runs.")


class ReadyBody(BaseModel):
    """The model is loaded and warmed up."""

    status: Literal["ready"] = "ready"
