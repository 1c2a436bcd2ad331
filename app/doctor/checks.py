"""All checks, in the order in which one failure explains the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from app.doctor.core import account, core
from app.doctor.finding import Finding
from app.doctor.pims import orientation, pims
from app.doctor.proxy import patience, route
from app.doctor.signing import AccountAuth
from app.errors import StartupError
from app.settings import Settings, check_serving, read_settings

_QUEUE = 3
"""Refines that may be waiting before one, in the estimate of the slowest."""


def examine(image_id: int | None = None, nginx: Path | None = None, core_name: str = "core") -> Iterator[Finding]:
    """Look over the installation that the environment describes; gives findings as they come.

    What cannot be told because something before it failed is skipped, so that each fault has one line.

    Parameters
    ----------
    image_id : int, optional
        An image that the service's account may read, for the check of the y axis.
    nginx : Path, optional
        The output of ``nginx -T``.
    core_name : str
        Core's name on the network that it shares with nginx.
    """
    try:
        settings = read_settings()
        check_serving(settings)
    except StartupError as error:
        yield Finding("settings", "failed", error.detail, "docs/settings.md lists all names.")
        return
    yield Finding("settings", "ok", _ways(settings))
    model_s, side_px = 0.0, 1024
    for finding in _model(settings):
        if isinstance(finding, Finding):
            yield finding
        else:
            model_s, side_px = finding
    yield from _platform(settings, image_id, core_name, side_px)
    if nginx is None:
        yield Finding("proxy timeout", "skipped", "to check it, give the output of nginx -T: --nginx FILE")
        return
    slowest_s = model_s * (1 + _QUEUE) + 2 * settings.platform.read_timeout_s
    yield patience(settings, nginx.read_text(), slowest_s)


def _platform(settings: Settings, image_id: int | None, core_name: str, side_px: int) -> Iterator[Finding]:
    """Check Core, PIMS, the account and the route; gives nothing twice."""
    with httpx.Client(timeout=15, trust_env=False) as client, _own_account(settings) as http:
        visit = core(settings, client)
        yield from visit.findings
        behind_it = settings.platform.pims_base_url.startswith(settings.platform.host)
        if behind_it and not visit.host_answers:
            yield Finding("PIMS", "skipped", f"it is reached through {settings.platform.host}, where nobody answers")
        else:
            yield pims(settings.platform, client, side_px)
        known = http if settings.platform.public_key else None
        if visit.core_answers or known is None:
            yield account(settings, known)
        else:
            yield Finding("account", "skipped", "Core does not answer")
        if visit.core_answers or image_id is None:
            yield orientation(settings.platform, known, image_id)
        else:
            yield Finding("y axis", "skipped", "Core does not answer")
        if visit.core_answers:
            yield route(settings, client, core_name)
        else:
            yield Finding("route", "skipped", "Core does not answer")


def _ways(settings: Settings) -> str:
    ways = {
        "bearer tokens": settings.api.bearer,
        f"{settings.api.signatures} signatures": settings.api.signatures != "off",
        "the shared secret": settings.api.shared_secret.get_secret_value(),
        "crops from anybody": settings.api.open_crops,
    }
    return f"accepts {', '.join(way for way, is_open in ways.items() if is_open)} at {settings.base_path}"


def _model(settings: Settings) -> Iterator[Finding | tuple[float, int]]:
    """Check weights and device by running the model once."""
    from app.segmenter.load import load_segmenter
    from app.segmenter.weights import choose

    try:
        weights = choose(settings)
    except StartupError as error:
        yield Finding("weights", "failed", error.detail, "python -m app weights pull downloads them again.")
        return
    if weights.origin == "embedded":
        advice = "python -m app weights pull downloads the fine-tuned checkpoint."
        yield Finding("weights", "warning", "the embedded demo model: not meant for annotation work", advice)
    else:
        yield Finding("weights", "ok", f"{weights.name}, sha256 {weights.sha256[:12]}..., {weights.origin}")
    try:
        segmenter = load_segmenter(settings.segmenter, weights)
        segmenter.warm_up()
        start = time.perf_counter()
        segmenter.warm_up()
    except StartupError as error:
        yield Finding("device", "failed", error.detail, "See REFINE_SEGMENTER__DEVICE.")
        return
    except RuntimeError as error:
        yield Finding(
            "device",
            "failed",
            f"the model does not run: {error}",
            "Is there enough memory? Is the driver recent enough?",
        )
        return
    model_s = time.perf_counter() - start
    yield Finding("device", "ok", f"{segmenter.info.device}: one window takes {model_s:.2f} s")
    yield model_s, segmenter.input_side_px


def _own_account(settings: Settings) -> httpx.Client:
    return httpx.Client(auth=AccountAuth(settings), timeout=30, trust_env=False)
