"""A small client for scripts: refine annotations with one's own API keys."""

from app.client.client import RefineClient, Refined, RefineFailed

__all__ = ["RefineClient", "RefineFailed", "Refined"]
