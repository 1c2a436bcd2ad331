"""What the commands that call a Cytomine share: whom they ask, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from cytomine_refine import RefineClient

HERE = "http://localhost"
_CONNECTION = "Connection"

Host = Annotated[str, typer.Option(envvar="CYTOMINE_HOST", help="Base URL of Cytomine.", rich_help_panel=_CONNECTION)]
Service = Annotated[
    str | None,
    typer.Option(
        envvar="CYTOMINE_REFINE_URL",
        help="Base URL of the service with its prefix, to bypass the addition to Core.",
        rich_help_panel=_CONNECTION,
    ),
]
PublicKey = Annotated[
    str, typer.Option(envvar="CYTOMINE_PUBLIC_KEY", help="Your public API key.", rich_help_panel=_CONNECTION)
]
PrivateKey = Annotated[
    str,
    typer.Option(
        envvar="CYTOMINE_PRIVATE_KEY",
        help="Your private API key; best set in the environment.",
        rich_help_panel=_CONNECTION,
    ),
]
Signature = Annotated[
    Literal["full", "short"],
    typer.Option(
        envvar="CYTOMINE_SIGNATURE",
        help="Form of the signature: full for Cytomine 2025.1, short for 2026.",
        rich_help_panel=_CONNECTION,
    ),
]


def connect(
    host: str,
    public_key: str,
    private_key: str,
    signature: Literal["full", "short"],
    service: str | None = None,
) -> RefineClient:
    """Make the client that the options describe."""
    from cytomine_refine import ApiKeyAuth, RefineClient

    if not public_key or not private_key:
        raise typer.BadParameter(
            "Set CYTOMINE_PUBLIC_KEY and CYTOMINE_PRIVATE_KEY to the keys on your account page in Cytomine"
        )
    try:
        return RefineClient(host, ApiKeyAuth(public_key, private_key, signature), service_url=service)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
