"""A small client for scripts: refine annotations with one's own API keys."""

from cytomine_refine.answers import Refined, RefineFailed
from cytomine_refine.auth import ApiKeyAuth
from cytomine_refine.client import RefineClient
from cytomine_refine.geojson import feature, feature_collection
from cytomine_refine.options import Click, Options
from cytomine_refine.outlines import Outline, Slide

__all__ = [
    "ApiKeyAuth",
    "Click",
    "Options",
    "Outline",
    "RefineClient",
    "RefineFailed",
    "Refined",
    "Slide",
    "feature",
    "feature_collection",
]
