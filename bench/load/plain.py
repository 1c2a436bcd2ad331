"""``python -m bench.load.plain``: the service on uvicorn, as ``app serve`` runs it, with the simulated model."""

from __future__ import annotations

import uvicorn

from app.main import connect
from app.settings import check_serving, read_settings
from bench.load.simulated import from_environment


def main() -> None:
    """Serve until told to stop; the settings come from the environment."""
    settings = read_settings()
    check_serving(settings)
    app = connect(settings, from_environment(settings))
    uvicorn.run(app, host=settings.api.host, port=settings.api.port, log_level=settings.api.log_level)


if __name__ == "__main__":
    main()
