"""Whether a service can listen where it is told to: seen before the model is loaded."""

from __future__ import annotations

import socket

from app.cli.console import refusal


def check_can_listen(host: str, port: int) -> None:
    """Try the address; raises what ends the command where somebody else has it, or nobody may."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.create_server(address[:2], family=family):
            pass
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise refusal(
            f"Cannot listen on {where}: {error.strerror}. Choose another --port (REFINE_API__PORT)"
            " or --host (REFINE_API__HOST)."
        ) from error
