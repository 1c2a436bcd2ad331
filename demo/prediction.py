"""What the viewer asks of the service itself: the outline of a shape that is stored nowhere yet."""

from __future__ import annotations

import ssl
from functools import cache

import httpx
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine.refine_problems import unreachable

_TIMEOUT = httpx.Timeout(55, connect=10)
_PASSED = ("content-type", "retry-after", "server-timing")


async def passed_on(service_url: str, request: Request, body: bytes) -> Response:
    """Ask for a prediction as whoever asks here, and give the answer as it is.

    Parameters
    ----------
    service_url : str
        The refine service, prefix included.
    request : Request
        Its token goes along.
    body : bytes
        What is asked; the service checks it.
    """
    headers = {"Authorization": request.headers.get("authorization", ""), "Content-Type": "application/json"}
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=_tls()) as service:
            answer = await service.post(f"{service_url}/prediction", content=body, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return unreachable().answer()
    except httpx.TransportError:
        detail = "It was too slow, or broke the connection off. Nothing was written."
        told = {"type": "about:blank", "title": "The refine service gave no answer", "status": 504, "detail": detail}
        return JSONResponse({**told, "written": False}, 504, media_type="application/problem+json")
    passed = {name: answer.headers[name] for name in _PASSED if name in answer.headers}
    return Response(answer.content, answer.status_code, passed)


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than the answer to a click."""
    return ssl.create_default_context()
