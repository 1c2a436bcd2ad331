"""Outlines as GeoJSON in the frame that viewers share: level-0 pixels, origin top left, y down.

QuPath opens such a file on the slide that it belongs to, and so does ``python -m training export qupath``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import shapely
from shapely.affinity import affine_transform
from shapely.geometry import mapping

from app.client.outlines import Slide


def feature(annotation_id: int, location: str, slide: Slide, **properties: object) -> dict[str, Any]:
    """Give an outline as a GeoJSON Feature that names its image.

    Parameters
    ----------
    location : str
        WKT, platform frame (origin bottom left, level-0 pixels).
    slide : Slide
        What it lies on.
    """
    upside_down = (1, 0, 0, -1, 0, slide.height)
    return {
        "type": "Feature",
        "id": annotation_id,
        "geometry": mapping(affine_transform(shapely.from_wkt(location), upside_down)),
        "properties": {
            "objectType": "annotation",
            "name": f"Annotation {annotation_id}",
            "image": slide.id,
            **properties,
        },
    }


def feature_collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Give features of one slide as a file has them."""
    return {"type": "FeatureCollection", "features": list(features)}
