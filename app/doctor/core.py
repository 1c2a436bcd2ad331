"""Core, seen from where the service runs: whether it answers, its clock, and what the service's account may there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from app.doctor.finding import Finding, cause, is_down
from app.settings import Settings

_SKEW_WARNING_S = 5.0
_HEADER_RESOLUTION = timedelta(seconds=1)
"""Date headers have whole seconds, rounded down."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of asking Core."""

    findings: tuple[Finding, ...]
    host_answers: bool
    """Whether anybody does at its address, be it a proxy alone."""
    core_answers: bool


def core(settings: Settings, client: httpx.Client) -> Visit:
    """Check that Core answers, its version, and that the clocks agree."""
    host = settings.platform.host
    url = f"{host}/server/ping"
    advice = "Check REFINE_PLATFORM__HOST: it must be Core's address as this machine sees it, without /api."
    sent = datetime.now(UTC)
    try:
        answer = client.get(url)
        received = datetime.now(UTC)
        if is_down(answer):
            down = f"the proxy answers at {host}, but Core behind it does not ({answer.status_code})"
            advice = "Core is down or still starting: docker compose up -d core, and its log."
            return Visit((Finding("Core", "failed", down, advice),), host_answers=True, core_answers=False)
        version = answer.json()["version"]
    except httpx.ReadTimeout:
        said = f"{host} takes the request, but does not answer"
        advice = "Core is down, still starting or overloaded: docker compose up -d core, and its log."
        return Visit((Finding("Core", "failed", said, advice),), host_answers=True, core_answers=False)
    except httpx.HTTPError as error:
        said = f"no answer from {host}: {cause(error)}"
        return Visit((Finding("Core", "failed", said, advice),), host_answers=False, core_answers=False)
    except (ValueError, KeyError, TypeError):
        said = f"{url} answered {answer.status_code}, but not as Core does"
        return Visit((Finding("Core", "failed", said, advice),), host_answers=True, core_answers=False)
    told = answer.headers.get("date", "")
    findings = (Finding("Core", "ok", f"version {version} at {host}"), clock(settings, told, sent, received))
    return Visit(findings, host_answers=True, core_answers=True)


def clock(settings: Settings, told: str, sent: datetime, received: datetime) -> Finding:
    """Compare Core's clock with ours.

    Parameters
    ----------
    settings : Settings
        How far signatures may be off.
    told : str
        Core's date, as a header has it. It was made at any time between the next two.
    sent, received : datetime
        When we asked, and when the answer was there, by our clock.
    """
    try:
        date = parsedate_to_datetime(told)
    except ValueError:
        return Finding("clocks", "skipped", "Core sends no date")
    theirs = date.replace(tzinfo=date.tzinfo or UTC)
    off = max(sent - _HEADER_RESOLUTION - theirs, theirs - received, timedelta())
    off_s = off.total_seconds()
    said = f"Core's clock and ours are {off_s:.0f} s apart"
    if off_s > settings.api.signature_window_s:
        return Finding("clocks", "failed", said, "Tokens and signatures will be refused. Let both machines use NTP.")
    if off_s > _SKEW_WARNING_S:
        return Finding("clocks", "warning", said, "Let both machines use NTP: tokens and signatures carry times.")
    return Finding("clocks", "ok", said)


def account(settings: Settings, http: httpx.Client | None) -> Finding:
    """Check what the service's own account is and may."""
    if http is None:
        return Finding("account", "ok", "none, and none is needed: callers act with their own tokens")
    try:
        answer = http.get(f"{settings.platform.host}/api/user/current.json")
    except httpx.HTTPError as error:
        return Finding("account", "failed", cause(error), "See the line about Core.")
    if answer.status_code != 200:
        return Finding(
            "account",
            "failed",
            f"Core does not accept the keys ({answer.status_code})",
            "Copy REFINE_PLATFORM__PUBLIC_KEY and ..._PRIVATE_KEY again. Core 2025.1 needs REFINE_API__SIGNATURES=full,"
            " Core 2026 short.",
        )
    user = answer.json()
    said = f"{user.get('username')} ({user.get('id')})"
    if settings.api.signatures != "off" and not user.get("adminByNow"):
        advice = "To check signatures, use the keys of a super administrator: only they may look up the keys of others."
        return Finding("account", "failed", f"{said} may not look up the keys of users", advice)
    if settings.api.signatures == "off" and user.get("adminByNow"):
        advice = "It bypasses the rules of every project. A plain account that manages its projects is enough."
        return Finding("account", "warning", f"{said} is a super administrator", advice)
    return Finding("account", "ok", said)
