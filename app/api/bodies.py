"""What travels over the wire to the caller: the answers, documented. The requests are in `app.api.schemas`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.usecases.proposals import Taken
from app.usecases.refinement import Provenance


class PlaceBody(BaseModel):
    """A square of the slide frame (origin top left), level-0 pixels."""

    x: int
    y: int
    width: int
    height: int


class WindowBody(PlaceBody):
    """Where the model looked, and how coarsely."""

    downsample: float


class EmbeddingsBody(BaseModel):
    """What is being prepared."""

    window: PlaceBody


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
    geometry: dict[str, Any] | None = Field(description="GeoJSON, platform frame; null if nothing was found.")


class RefineResult(BaseModel):
    """What became of an annotation."""

    message: str
    annotation_id: int
    changed: bool
    location: str = Field(description="WKT as stored or, in a dry run, as it would be stored.")
    geojson: FeatureBody
    previous_location: str
    score: float = Field(description="The model's own estimate of the IoU, 0 to 1.")
    confidence: float = Field(description="How sure the service is, 0 to 1; the score if there is no calibration.")
    calibrated: bool = Field(description="Whether the confidence is calibrated for this checkpoint.")
    doubts: list[str] = Field(description="Reasons to check this outline, in words; show them with it.")
    doubtful: bool = Field(description="Whether to check the outline before it is written.")
    proposal: Taken = Field(description="Which of the model's masks this outline shows.")
    proposals: list[ProposalBody] = Field(description="All three, in a preview.")
    box: list[float] | None = Field(description="The box used as prompt, enlarged by clicks outside it.")
    preview: str | None = Field(
        description="If nothing was written (a dry run, or a doubtful outline): send this back to write the outline."
    )
    points_used: list[int]
    points_deleted: list[int]
    points_not_deleted: list[int] = Field(
        description="Points that were used but kept: they changed meanwhile, Cytomine did not allow their deletion, "
        "or time ran out."
    )
    command: int | None = Field(description="Handle of Cytomine's undo; null if nothing was written.")
    commands: list[int] = Field(
        description="Undo handles of everything that was done, in order: the outline, then each deleted point. "
        "To undo the whole refine, undo them from the last to the first."
    )
    provenance: Provenance | None = Field(
        description="If the operator records provenance: whether a property of the annotation now says where its "
        "outline comes from. If it could not be recorded, nothing else changes."
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
    warning: str | None = Field(description="Set if the embedded demo model runs.")


class ReadyBody(BaseModel):
    """The model is loaded and warmed up."""

    status: Literal["ready"] = "ready"


class ProposedProperties(BaseModel):
    """What is told of a proposal."""

    proposal: int = Field(description="Running number, from 1.")
    score: float = Field(description="The model's own estimate of the IoU, 0 to 1.")
    confidence: float | None = Field(description="The expected IoU; null without a calibration.")
    likeness: float | None = Field(description="Similarity to the exemplars, 0 to 1; null without `like`.")
    doubts: list[str] = Field(description="Reasons to check the outline, in words.")
    doubtful: bool = Field(description="Whether to check the outline before it is written.")
    area_px0: float = Field(description="Area in level-0 pixels.")
    tile: int = Field(description="Number of the tile in which it was found, from 1.")
    tiles: int = Field(description="Number of tiles to search.")


class ProposedFeature(BaseModel):
    """A line of proposals: a GeoJSON Feature of the platform frame."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: ProposedProperties


class ProposingEnd(BaseModel):
    """The last line of proposals."""

    done: bool = Field(description="False if a problem ended the search.")
    proposals: int
    tiles: int = Field(description="Number of tiles searched.")
    tiles_empty: int = Field(description="Number of tiles left out because they show only glass.")
    tiles_left: int = Field(description="Number of tiles not searched because the search ended early.")
    prompts: int = Field(description="Number of prompts given to the model.")
    timings_ms: dict[str, float]
    stopped: Literal["limit", "deadline"] | None = Field(description="Why the search ended early; null if it did not.")
    model: ModelBody
