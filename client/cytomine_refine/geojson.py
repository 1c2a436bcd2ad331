"""Outlines as GeoJSON in the frame that viewers share: level-0 pixels, origin top left, y down.

QuPath opens such a file on the slide that it belongs to, and so does ``python -m training export qupath``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cytomine_refine.outlines import Slide
from cytomine_refine.wkt import read_wkt


def feature(annotation_id: int | None, location: str, slide: Slide, **properties: object) -> dict[str, Any]:
    """Give an outline as a GeoJSON Feature that names its image.

    Parameters
    ----------
    annotation_id : int, optional
        None: it is a proposal.
    location : str
        WKT, platform frame (origin bottom left, level-0 pixels).
    slide : Slide
        What it lies on.
    """
    return {
        "type": "Feature",
        **({} if annotation_id is None else {"id": annotation_id}),
        "geometry": read_wkt(location).upside_down(slide.height).geojson,
        "properties": {
            "objectType": "annotation",
            "name": "Proposal" if annotation_id is None else f"Annotation {annotation_id}",
            "image": slide.id,
            **properties,
        },
    }


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Give features of one slide as a file has them."""
    return {"type": "FeatureCollection", "features": list(features)}
