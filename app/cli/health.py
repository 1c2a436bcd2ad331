"""``health``: ask the service on this machine whether it is alive; for container health checks."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.console import refusal, stdout


def health(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port; default: REFINE_API__PORT.", show_default=False),
    ] = None,
) -> None:
    """Exit with 0 if the service on this machine answers, with 1 if not."""
    import httpx

    from app.settings import read_settings

    settings = read_settings().api
    url = f"http://{_reached_at(settings.host)}:{port or settings.port}/health"
    try:
        answer = httpx.get(url, timeout=20, trust_env=False)
    except httpx.HTTPError as error:
        raise refusal(f"No answer from {url} ({type(error).__name__}): is the service running there?") from error
    if answer.status_code != 200:
        raise refusal(f"{url} answers {answer.status_code}: is the service listening there?")
    stdout().print(f"{url}: {answer.status_code}")


def _reached_at(host: str) -> str:
    """Give an address at which this machine reaches a service that listens on `host`, as a URL has it."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  who listens on all is nearby, too
    return f"[{reached}]" if ":" in reached else reached
