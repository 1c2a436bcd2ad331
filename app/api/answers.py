"""Results of the use cases, shaped for the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from app.api.bodies import FeatureBody, ModelBody, PlaceBody, ProposalBody, RefineResult, WindowBody
from app.api.previews import Previews
from app.geometry.locations import read_location
from app.geometry.windows import Window
from app.usecases.ports import ModelInfo
from app.usecases.predict_roi import Prediction
from app.usecases.proposal_shapes import Proposed
from app.usecases.proposals import Proposal
from app.usecases.proposing import Ended
from app.usecases.refine_crop import CropRefinement
from app.usecases.refinement import Outcome, Refinement
from app.usecases.segment_roi import Account

_MESSAGES: dict[Outcome, str] = {
    "changed": "Change completed successfully.",
    "nothing found": "The model found no object; the annotation is as it was.",
    "dry run": "Dry run: nothing was written.",
    "doubtful": "This outline is doubtful; nothing was written.",
}


def refine_result(refinement: Refinement, previews: Previews) -> RefineResult:
    """Shape a refinement."""
    account = refinement.account
    return RefineResult(
        message=_MESSAGES[refinement.outcome],
        annotation_id=refinement.annotation_id,
        changed=refinement.outcome == "changed",
        location=refinement.location,
        geojson=_feature(
            read_location(refinement.location), annotation_id=refinement.annotation_id, score=account.score
        ),
        previous_location=refinement.previous_location,
        points_used=list(refinement.points_used),
        points_deleted=list(refinement.points_deleted),
        points_not_deleted=list(refinement.points_not_deleted),
        command=refinement.command,
        commands=list(refinement.commands),
        provenance=refinement.provenance,
        model=model_body(refinement.model),
        window=_window(account),
        timings_ms=refinement.timings_ms,
        proposals=_proposals(refinement.proposals),
        preview=refinement.preview and previews.seal(refinement.preview),
        **_told(account),
    )


def prediction_feature(prediction: Prediction) -> FeatureBody | None:
    """Shape a prediction; None if nothing was found."""
    found = prediction.segmentation
    if found.shape is None:
        return None
    return _feature(
        found.shape,
        timings_ms=prediction.timings_ms,
        window=_window(found.account).model_dump(),
        proposals=[each.model_dump() for each in _proposals(found.proposals)],
        **_told(found.account),
    )


def crop_feature(refinement: CropRefinement) -> FeatureBody:
    """Shape a refinement of a crop."""
    return _feature(
        refinement.shape,
        changed=refinement.changed,
        timings_ms=refinement.timings_ms,
        **_told(refinement.account),
    )


def proposed_feature(proposed: Proposed, tiles: int) -> dict[str, Any]:
    """Shape a proposal of one of so many tiles, as `ProposedFeature` has it."""
    told = {
        "proposal": proposed.number,
        "score": proposed.score,
        "confidence": proposed.confidence,
        "likeness": proposed.likeness,
        "doubts": list(proposed.doubts),
        "doubtful": proposed.doubtful,
        "area_px0": proposed.shape.area,
        "tile": proposed.tile,
        "tiles": tiles,
    }
    return {"type": "Feature", "geometry": shapely.geometry.mapping(proposed.shape), "properties": told}


def summed_up(ended: Ended) -> dict[str, Any]:
    """Shape the last line, as `ProposingEnd` has it."""
    return {
        "done": True,
        "proposals": ended.proposals,
        "tiles": ended.tiles,
        "tiles_empty": ended.empty,
        "tiles_left": ended.left,
        "prompts": ended.prompts,
        "timings_ms": ended.timings_ms,
        "stopped": ended.stopped,
        "model": model_body(ended.model).model_dump(),
    }


def _told(account: Account) -> dict[str, Any]:
    """Say what refines and predictions alike say of an outline."""
    judged = account.judged
    return {
        "score": account.score,
        "confidence": judged.confidence,
        "calibrated": judged.calibrated,
        "doubts": list(judged.doubts),
        "doubtful": judged.doubtful,
        "proposal": account.proposal,
        "box": None if account.box is None else list(account.box),
    }


def _proposals(proposals: Iterable[Proposal]) -> list[ProposalBody]:
    return [
        ProposalBody(
            index=each.index,
            score=each.score,
            area_px0=each.shape.area if each.shape else 0.0,
            geometry=each.shape and shapely.geometry.mapping(each.shape),
        )
        for each in proposals
    ]


def model_body(info: ModelInfo) -> ModelBody:
    """Shape what is said of the model."""
    return ModelBody(
        name=info.name,
        origin=info.origin,
        checkpoint_sha256=info.sha256,
        precision=info.precision,
        device=info.device,
    )


def server_timing(timings_ms: Mapping[str, float]) -> str:
    """Write timings as a ``Server-Timing`` header."""
    return ", ".join(f"{step};dur={spent:.1f}" for step, spent in timings_ms.items())


def _feature(shape: BaseGeometry, **properties: Any) -> FeatureBody:
    return FeatureBody(geometry=shapely.geometry.mapping(shape), properties=properties)


def planned_window(window: Window) -> PlaceBody:
    """Shape a window that is yet to be read."""
    return PlaceBody(x=window.x0, y=window.y0, width=window.side_px0, height=window.side_px0)


def _window(account: Account) -> WindowBody:
    return WindowBody(**planned_window(account.window).model_dump(), downsample=account.downsample)


def written(refinement: Refinement) -> str:
    """Say in one line of the log who changed what."""
    before, after = (read_location(wkt).area for wkt in (refinement.previous_location, refinement.location))
    who = "the service account" if refinement.caller is None else f"user {refinement.caller}"
    return (
        f"Annotation {refinement.annotation_id} refined for {who}: area {before:.0f} -> {after:.0f} px²,"
        f" {len(refinement.points_deleted)} points deleted,"
        f" model {refinement.model.name} {refinement.model.sha256[:12]}"
    )
