"""``python -m bench.load.plain``: the service on uvicorn, as ``app serve`` runs it, with the simulated model."""

from __future__ import annotations

import uvicorn

from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.imagery.reader import SlideWindowReader
from app.main import assemble
from app.settings import check_serving, read_settings
from bench.load.simulated import from_environment


def main() -> None:
    """Serve until told to stop; the settings come from the environment."""
    settings = read_settings()
    check_serving(settings)
    core = CoreHttp(settings.platform)
    pixels = PimsPixels(settings.platform, settings.imagery.max_image_bytes)
    rooms = (CoreGateway(core), SlideWindowReader(pixels), from_environment(settings))
    app = assemble(settings, *rooms, core.close, pixels.close)
    uvicorn.run(app, host=settings.api.host, port=settings.api.port, log_level=settings.api.log_level)


if __name__ == "__main__":
    main()
