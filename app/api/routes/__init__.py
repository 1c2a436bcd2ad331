"""The routes, one file for each thing that can be asked: parse, call one use case, shape the answer.

Model and platform calls block, so these are plain functions: the framework runs them on worker threads.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends

from app.api.options import only_known_options
from app.api.problems import PROBLEMS
from app.api.routes import crops, embeddings, predict, propose, refine
from app.api.verbs import Verbs


def work_routes(verbs: Verbs) -> APIRouter:
    """Make the routes that do work; the caller puts them behind the prefix and the guards."""
    router = APIRouter(responses=PROBLEMS, dependencies=[Depends(only_known_options)])
    for room in (refine, predict, propose, embeddings, crops):
        router.include_router(room.routes(verbs))
    return router
