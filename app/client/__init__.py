"""A small client for scripts: refine annotations with one's own API keys."""

from app.client.answers import Refined, RefineFailed
from app.client.auth import ApiKeyAuth
from app.client.client import RefineClient
from app.client.geojson import feature, feature_collection
from app.client.options import Click, Options
from app.client.outlines import Outline, Slide

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
