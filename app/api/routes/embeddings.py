"""Let the encoder work ahead of the click."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.answers import planned_window
from app.api.areas import area
from app.api.bodies import EmbeddingsBody
from app.api.schemas import EmbeddingsRequest
from app.api.verbs import Verbs, whose


def routes(verbs: Verbs) -> APIRouter:
    """Make the routes of what is prepared: wish for it, and forget the wish."""
    router = APIRouter()

    @router.post("/embeddings", status_code=202)
    def embeddings(request: Request, body: EmbeddingsRequest) -> EmbeddingsBody:
        """Encode a window before the click; a newer request of the same caller replaces one that has not started."""
        embed = verbs.embed(request)
        if body.annotation_id is not None:
            window = embed.annotation(whose(request), body.annotation_id)
        else:
            assert body.image_id is not None  # noqa: S101  the schema has seen to it
            assert body.geometry is not None  # noqa: S101
            window = embed.shape(whose(request), body.image_id, area(body.geometry))
        return EmbeddingsBody(window=planned_window(window))

    @router.delete("/embeddings", status_code=204)
    def forget_embeddings(request: Request) -> None:
        """Cancel the caller's requests that have not started; the encoder finishes what it has begun."""
        verbs.ahead.cancel(whose(request))

    return router
