"""``serve``: run the HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: REFINE_API__HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; default: REFINE_API__PORT.", show_default=False),
    ] = None,
) -> None:
    """Run the HTTP service."""
    from app.memory import keep_what_is_loaded, return_large_blocks
    from app.settings import check_serving, read_settings

    settings = read_settings()
    check_serving(settings)  # before the slow imports: who forgot a key learns it at once
    return_large_blocks()

    import uvicorn

    from app.api.logs import log_to_stderr
    from app.cli.listening import check_can_listen
    from app.main import create_app
    from app.segmenter.engines.first_start import measure_once
    from app.segmenter.weights import choose

    host = settings.api.host if host is None else host
    port = settings.api.port if port is None else port
    log_to_stderr(settings.api.log_level)
    weights = choose(settings)
    check_can_listen(host, port)
    measure_once(settings.segmenter, weights)
    app = create_app(settings, weights)
    keep_what_is_loaded()
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level=settings.api.log_level,
        timeout_graceful_shutdown=settings.api.grace_s,
    )
