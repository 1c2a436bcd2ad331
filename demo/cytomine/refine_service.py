"""How Core's addition asks the refine service: once, within time, and honest about what a failure leaves unknown."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import Response

from demo.cytomine import refine_problems as problems

_TIMEOUT = httpx.Timeout(55, connect=10)
PROBLEM = "application/problem+json"
_DOUBTED = {"urn:cytomine-refine:service-absent": problems.lost, "urn:cytomine-refine:service-slow": problems.slow}


class Passed(Exception):
    """A problem that the service told; it goes on as it is."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.status_code)
        self._answer = answer

    def answer(self) -> Response:
        """Shape it."""
        passed = ("content-type", "retry-after")
        headers = {name: self._answer.headers[name] for name in passed if name in self._answer.headers}
        return Response(self._answer.content, self._answer.status_code, headers)


async def ask_for_refine(base_url: str, number: int, options: dict[str, Any], token: str) -> dict[str, Any]:
    """Have an annotation refined.

    Raises
    ------
    Problem, Passed
        The service refused, failed, was slow, or could not be reached.
    """
    url, headers = f"{base_url}/annotations/{number}/refine", {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as service:
            answer = await service.post(url, json=options, headers=headers)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise problems.unreachable() from None
    except httpx.TimeoutException:
        raise problems.slow() from None
    except httpx.TransportError:
        raise problems.nonsense("The connection broke.") from None
    return _read(answer)


def _read(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code >= 400 and answer.headers.get("content-type", "").startswith(PROBLEM):
        told = _json(answer)
        doubt = _DOUBTED.get(told.get("type", "")) if "written" not in told else None
        raise doubt() if doubt else Passed(answer)
    if answer.status_code != 200:
        raise problems.nonsense(f"Its status was {answer.status_code}.")
    refinement = _json(answer)
    if not refinement.keys() >= {"message", "command"}:
        raise problems.nonsense("Its answer is not a refine result.")
    return refinement


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        read = answer.json()
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
