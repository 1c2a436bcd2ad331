"""All checks, in the order in which one failure explains the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from app.client import ApiKeyAuth
from app.doctor import platform
from app.doctor.finding import Finding
from app.errors import StartupError
from app.settings import Settings, check_serving, read_settings
from app.signing import SignatureForm

_QUEUE = 3
"""Refines that may be waiting before one, in the estimate of the slowest."""


def examine(image_id: int | None = None, nginx: Path | None = None) -> Iterator[Finding]:
    """Look the installation over, as the environment describes it; gives findings as they come.

    Parameters
    ----------
    image_id : int, optional
        An image that the service's account may read, for the check of the y axis.
    nginx : Path, optional
        The output of ``nginx -T``.
    """
    try:
        settings = read_settings()
        check_serving(settings)
    except StartupError as error:
        yield Finding("settings", "failed", error.detail, "The README's table has all names.")
        return
    yield Finding("settings", "ok", _ways(settings))
    model_s, side_px = 0.0, 1024
    for finding in _model(settings):
        if isinstance(finding, Finding):
            yield finding
        else:
            model_s, side_px = finding
    with httpx.Client(timeout=15, trust_env=False) as client:
        yield from platform.core(settings, client)
        yield platform.pims(settings, client, side_px)
        with _own_account(settings) as http:
            known = http if settings.platform.public_key else None
            yield platform.account(settings, known)
            yield platform.orientation(settings.platform, known, image_id)
        slowest_s = model_s * (1 + _QUEUE) + 2 * settings.platform.read_timeout_s
        yield from platform.proxy(settings, client, nginx, slowest_s)


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
        yield Finding("weights", "failed", error.detail, "python -m app weights pull fetches them anew.")
        return
    if weights.origin == "embedded":
        advice = "python -m app weights pull fetches the fine-tuned checkpoint."
        yield Finding("weights", "warning", "the embedded demo model: not for annotation work", advice)
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
            "device", "failed", f"the model does not run: {error}", "Is there enough memory? Is the driver new?"
        )
        return
    model_s = time.perf_counter() - start
    yield Finding("device", "ok", f"{segmenter.info.device}: one window takes {model_s:.2f} s")
    yield model_s, segmenter.input_side_px


def _own_account(settings: Settings) -> httpx.Client:
    platform_settings = settings.platform
    form: SignatureForm = "short" if settings.api.signatures == "short" else "full"
    keys = ApiKeyAuth(platform_settings.public_key, platform_settings.private_key.get_secret_value(), form)
    return httpx.Client(auth=keys, timeout=30, trust_env=False)
