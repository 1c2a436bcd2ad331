"""A small client for scripts: refine annotations in Cytomine and find similar objects, with your own rights."""

from cytomine_refine.answers import Refined, RefineFailed
from cytomine_refine.auth import ApiKeyAuth
from cytomine_refine.client import RefineClient
from cytomine_refine.geojson import feature, feature_collection
from cytomine_refine.options import Click, Options
from cytomine_refine.outlines import Outline, Slide
from cytomine_refine.proposals import Ended, Proposal, Proposals, Wishes

__all__ = [
    "ApiKeyAuth",
    "Click",
    "Ended",
    "Options",
    "Outline",
    "Proposal",
    "Proposals",
    "RefineClient",
    "RefineFailed",
    "Refined",
    "Slide",
    "Wishes",
    "feature",
    "feature_collection",
]
