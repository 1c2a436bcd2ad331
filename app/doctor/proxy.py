"""The proxy's route to the service: whether Core passes and nobody else, and whether it is patient enough."""

from __future__ import annotations

import re
import socket
from typing import Any

import httpx

from app.doctor.finding import Finding, cause
from app.settings import Settings

_NOT_PUBLIC = "urn:cytomine-refine:not-public"
_NOBODY = "nobody"
_RENEW = "Run scripts/join.py again with the current Compose files, then deploy."


def route(settings: Settings, client: httpx.Client, core: str) -> Finding:
    """Check that the route is there, that Core passes, and nobody else.

    We are not Core, so the proxy refuses us, and says with that whom it lets through. That is held against the address
    that Core's name has here.

    Parameters
    ----------
    settings : Settings
        Where the proxy is.
    client : httpx.Client
        Without credentials.
    core : str
        Core's name on the network that it shares with the proxy.
    """
    url = f"{settings.platform.host}{settings.base_path}/ready"
    try:
        answer = client.get(url)
    except httpx.HTTPError as error:
        return Finding("route", "failed", f"{url}: {cause(error)}", "See the line about Core.")
    problem = _json(answer)
    if answer.status_code == 403 and problem.get("type") == _NOT_PUBLIC:
        return _passes(str(problem.get("allowed", "")), core)
    if answer.status_code in {200, 503} and "status" in problem:
        said = f"{url} answers this machine, which is not Core"
        return Finding("route", "failed", said, f"Anybody who forges the Host header can call it. {_RENEW}")
    if problem.get("type") == "urn:cytomine-refine:service-absent":
        said = "the proxy lets this machine through, but cannot find the service under the name refine"
        return Finding(
            "route", "failed", said, "Is the service on the proxy's network, with the alias refine? " + _RENEW
        )
    if "nginx" not in answer.headers.get("server", ""):
        return Finding(
            "route", "skipped", f"there is no nginx at {settings.platform.host}: Core calls the service directly"
        )
    advice = "Apply the patch to its template (scripts/patch.py, nginx/README.md), then deploy."
    return Finding("route", "failed", f"nginx has no route to the service ({answer.status_code} at {url})", advice)


def _passes(allowed: str, core: str) -> Finding:
    """Hold the proxy's allow-list against Core's address."""
    if not allowed:
        said = "it is closed to this machine, and does not say who is let through"
        return Finding(
            "route", "warning", said, "Its template is from an older version: undo the patch and apply it again."
        )
    if allowed == _NOBODY:
        said = "nginx lets nobody through, so every click is refused (403)"
        return Finding("route", "failed", said, f"refine-core.conf is missing. {_RENEW}")
    theirs = _addresses(core)
    if not theirs:
        said = f"nginx lets {allowed} through; whether that is Core is unknown, because no host here is called {core}"
        return Finding("route", "warning", said, "Is Core running? If its service has another name, give --core NAME.")
    if theirs & set(allowed.split()):
        return Finding("route", "ok", f"nginx lets Core through ({allowed}), and nobody else")
    said = f"nginx lets {allowed} through, but Core is {', '.join(sorted(theirs))}: every click is refused (403)"
    return Finding("route", "failed", said, _RENEW)


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def patience(settings: Settings, configuration: str, slowest_s: float) -> Finding:
    """Check that the proxy waits longer than the slowest refine takes.

    Parameters
    ----------
    settings : Settings
        Under which path the service is.
    configuration : str
        The output of ``nginx -T``.
    slowest_s : float
        An estimate.
    """
    about = "proxy timeout"
    start = re.search(rf"location\s+\S*\s*{re.escape(settings.base_path)}/?\s*{{", configuration)
    if start is None:
        return Finding(about, "failed", f"no location {settings.base_path}/ in it", "See nginx/README.md.")
    block = configuration[start.end() :].partition("\n}")[0]
    found = re.search(r"proxy_read_timeout\s+(\d+)(ms|s|m)?\s*;", block)
    unit_s = {"ms": 1e-3, "m": 60.0}
    allowed_s = float(found[1]) * unit_s.get(found[2] or "s", 1.0) if found else 60.0
    said = f"{allowed_s:g} s, the slowest refine needs about {slowest_s:.0f} s"
    if allowed_s < slowest_s:
        return Finding(about, "failed", said, "Raise proxy_read_timeout of that location.")
    return Finding(about, "ok", said)
