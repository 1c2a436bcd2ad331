"""Core or PIMS in a container: the embedded Cytomine, and a door through which a test lets something go wrong."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from fastapi import Body, FastAPI

from demo.cytomine.desk import Desk
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"


def door(app: FastAPI, _: Desk) -> None:
    """Add the routes for tests."""

    @app.post("/lab/fault")
    def fault(fault: dict[str, Any] = Body(...)) -> dict[str, str]:  # noqa: B008
        cytomine.faults.add(Fault(**fault))
        return {}

    @app.get("/lab/under_way")
    def under_way() -> int:
        """Count what is being worked on, this very request aside."""
        return cytomine.faults.under_way - 1

    @app.post("/lab/clear")
    def clear() -> dict[str, str]:
        cytomine.faults.clear()
        return {}


if __name__ == "__main__":
    cytomine = EmbeddedCytomine(
        Path("/data"),
        host="0.0.0.0",
        port=int(sys.argv[1]),
        jwt_secret=JWT_SECRET,
        refine_url="http://nginx/sam",
        extend=door,
    )
    with cytomine:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
