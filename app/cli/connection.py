"""What the commands that call a Cytomine share: whom they ask, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from app.client import RefineClient

_KEYS = "Your API keys of Cytomine"

Host = Annotated[str, typer.Option(envvar="CYTOMINE_HOST", help="Base URL of Cytomine.")]
Service = Annotated[
    str | None,
    typer.Option(envvar="CYTOMINE_REFINE_URL", help="The service, prefix included, to go past Core's addition."),
]
PublicKey = Annotated[str, typer.Option(envvar="CYTOMINE_PUBLIC_KEY", help=f"{_KEYS}.")]
PrivateKey = Annotated[
    str, typer.Option(envvar="CYTOMINE_PRIVATE_KEY", help=f"{_KEYS}; better set in the environment.")
]
Signature = Annotated[Literal["full", "short"], typer.Option(help="full: Cytomine 2025.1; short: 2026.")]


def connect(
    host: str,
    public_key: str,
    private_key: str,
    signature: Literal["full", "short"],
    service: str | None = None,
) -> RefineClient:
    """Make the client that the options describe."""
    from app.client import ApiKeyAuth, RefineClient

    if not public_key or not private_key:
        raise typer.BadParameter("Set CYTOMINE_PUBLIC_KEY and CYTOMINE_PRIVATE_KEY: your account page has them.")
    try:
        return RefineClient(host, ApiKeyAuth(public_key, private_key, signature), service_url=service)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
