"""Core, PIMS and the proxy, seen from where the service runs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from app.doctor.finding import Finding
from app.settings import PlatformSettings, Settings

_SKEW_WARNING_S = 5.0
_TRY_LENGTH_PX = 512
_CELLS = 8
_DIFFERENT = 8.0
"""Mean grey levels by which two places must differ to be told apart, JPEG noise included."""


def core(settings: Settings, client: httpx.Client) -> Iterator[Finding]:
    """Check that Core answers, its version, and that the clocks agree."""
    url = f"{settings.platform.host}/server/ping"
    advice = "Check REFINE_PLATFORM__HOST: it must be Core's address as this machine sees it, without /api."
    try:
        answer = client.get(url)
        body = answer.json()
        version = body["version"]
    except httpx.HTTPError as error:
        yield Finding("Core", "failed", f"{url}: {_cause(error)}", advice)
        return
    except (ValueError, KeyError, TypeError):
        yield Finding("Core", "failed", f"{url} answered {answer.status_code}, but not as Core does", advice)
        return
    yield Finding("Core", "ok", f"version {version} at {settings.platform.host}")
    yield _clock(settings, answer)


def _clock(settings: Settings, answer: httpx.Response) -> Finding:
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return Finding("clocks", "skipped", "Core sends no date")
    off_s = abs((datetime.now(UTC) - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds())
    said = f"Core's clock and ours are {off_s:.0f} s apart"
    if off_s > settings.api.signature_window_s:
        return Finding("clocks", "failed", said, "Signed requests will be refused. Let both machines use NTP.")
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
        return Finding("account", "failed", _cause(error), "See what is said of Core.")
    if answer.status_code != 200:
        return Finding(
            "account",
            "failed",
            f"Core does not accept the keys ({answer.status_code})",
            "Copy both keys anew. Client generation and Core must fit: 2025.1 signs the path too, 2026 does not.",
        )
    user = answer.json()
    said = f"{user.get('username')} ({user.get('id')})"
    if settings.api.signatures != "off" and not user.get("adminByNow"):
        advice = "To check signatures it must be a super administrator's: only they may look up the keys of others."
        return Finding("account", "failed", f"{said} may not look up the keys of users", advice)
    if settings.api.signatures == "off" and user.get("adminByNow"):
        advice = "It bypasses every project's rules. A plain account, made manager of its projects, is enough."
        return Finding("account", "warning", f"{said} is a super administrator", advice)
    return Finding("account", "ok", said)


def pims(settings: Settings, client: httpx.Client, side_px: int) -> Finding:
    """Check that PIMS answers, its version, and that it gives windows as large as the model's."""
    url = f"{settings.platform.pims_base_url}/info"
    advice = "Check REFINE_PLATFORM__PIMS_URL: PIMS' address with its prefix, usually .../ims."
    try:
        body = client.get(url).json()
        version, limit_px = body["version"], int(body["settings"]["output_size_limit"])
    except httpx.HTTPError as error:
        return Finding("PIMS", "failed", f"{url}: {_cause(error)}", advice)
    except (ValueError, KeyError, TypeError):
        return Finding("PIMS", "failed", f"{url} does not answer as PIMS does", advice)
    said = f"version {version}, images up to {limit_px} px a side"
    if limit_px < side_px:
        return Finding("PIMS", "failed", said, f"Windows have {side_px} px: raise OUTPUT_SIZE_LIMIT of PIMS.")
    return Finding("PIMS", "ok", said)


def orientation(settings: PlatformSettings, http: httpx.Client | None, image_id: int | None) -> Finding:
    """Check, on an image, that annotations count y from the bottom and windows from the top."""
    about = "y axis"
    if http is None or image_id is None:
        return Finding(about, "skipped", "needs keys and an image: --image ID")
    try:
        record = http.get(f"{settings.host}/api/imageinstance/{image_id}.json")
        if record.status_code != 200:
            return Finding(about, "failed", f"Core answered {record.status_code} for image {image_id}", "Is it yours?")
        return _compared(settings, http, record.json())
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        return Finding(about, "failed", f"no pixels of image {image_id}: {_cause(error)}", "See Core and PIMS.")


def _compared(settings: PlatformSettings, http: httpx.Client, image: dict[str, Any]) -> Finding:
    """Compare Core's crop of a shape with the window where it should be, and with the one at its mirror image."""
    width, height = int(image["width"]), int(image["height"])
    whole = _window(settings, http, image, (0, 0, width, height))
    row, column, difference = _telling_cell(whole)
    if difference < _DIFFERENT:
        return Finding("y axis", "skipped", "this image looks the same upside down: choose another one with --image")
    cell_w, cell_h = width // _CELLS, height // _CELLS
    left, top = column * cell_w, row * cell_h
    here, mirrored = (_window(settings, http, image, (left, y, cell_w, cell_h)) for y in (top, height - top - cell_h))
    shape = shapely.box(left, height - top - cell_h, left + cell_w, height - top)
    query = {"geometry": shape.wkt, "maxSize": str(_TRY_LENGTH_PX), "complete": "true"}
    crop = _grey(http.get(f"{settings.host}/api/imageinstance/{image['id']}/crop.png", params=query))
    upright, upside_down = _distance(crop, here), _distance(crop, mirrored)
    said = f"image {image['id']}: Core's crop differs by {upright:.1f} grey levels from our window"
    if upright < upside_down:
        return Finding("y axis", "ok", f"{said}, by {upside_down:.1f} from its mirror image")
    advice = "Core and PIMS disagree about the origin: is DEFAULT_ANNOTATION_ORIGIN of PIMS LEFT_TOP?"
    return Finding("y axis", "failed", f"{said}, by {upside_down:.1f} from its mirror image", advice)


def _telling_cell(whole: NDArray[np.float64]) -> tuple[int, int, float]:
    """Find the cell of a grid that differs most from the one at its mirror image."""
    rows, columns = (side // _CELLS for side in whole.shape)
    cells = whole[: rows * _CELLS, : columns * _CELLS].reshape(_CELLS, rows, _CELLS, columns)
    differences = np.abs(cells - cells[::-1]).mean(axis=(1, 3))
    row, column = np.unravel_index(int(differences.argmax()), differences.shape)
    return int(row), int(column), float(differences[row, column])


def _window(
    settings: PlatformSettings, http: httpx.Client, image: dict[str, Any], region: tuple[int, int, int, int]
) -> NDArray[np.float64]:
    names = ("left", "top", "width", "height")
    body = {"region": dict(zip(names, region, strict=True)), "length": _TRY_LENGTH_PX}
    url = f"{settings.pims_base_url}/image/{quote(image['path'])}/window"
    return _grey(http.post(url, json=body, headers={"accept": "image/png"}))


def _grey(answer: httpx.Response) -> NDArray[np.float64]:
    answer.raise_for_status()
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), dtype=np.float64)


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    side = (64, 64)
    small = [np.asarray(Image.fromarray(each).resize(side, Image.Resampling.BOX)) for each in (first, second)]
    return float(np.abs(small[0] - small[1]).mean())


def proxy(settings: Settings, client: httpx.Client, configuration: Path | None, slowest_s: float) -> Iterator[Finding]:
    """Check the route of the proxy: that it is there, closed to others, and patient enough."""
    url = f"{settings.platform.host}{settings.base_path}/ready"
    try:
        answer = client.get(url)
        kind = answer.headers.get("content-type", "")
        if answer.status_code == 403 and "problem" in kind:
            yield Finding("route", "ok", f"{url} is there, and closed to everybody but Core")
        elif answer.status_code in {200, 503} and "json" in kind:
            advice = "Anybody who forges the Host header may call it. Set REFINE_ALLOWED of nginx to Core's address."
            yield Finding("route", "warning", f"{url} answers this machine", advice)
        else:
            yield Finding("route", "warning", f"{url}: {answer.status_code}", "Core needs it: see nginx/README.md.")
    except httpx.HTTPError as error:
        yield Finding("route", "failed", f"{url}: {_cause(error)}", "See what is said of Core.")
    if configuration is None:
        yield Finding("proxy's patience", "skipped", "needs the output of nginx -T: --nginx FILE")
        return
    yield _patience(settings, configuration.read_text(), slowest_s)


def _patience(settings: Settings, configuration: str, slowest_s: float) -> Finding:
    start = re.search(rf"location\s+\S*\s*{re.escape(settings.base_path)}/?\s*{{", configuration)
    if start is None:
        return Finding("proxy's patience", "failed", f"no location {settings.base_path}/ in it", "See nginx/README.md.")
    block = configuration[start.end() :].partition("\n}")[0]
    found = re.search(r"proxy_read_timeout\s+(\d+)(ms|s|m)?\s*;", block)
    unit_s = {"ms": 1e-3, "m": 60.0}
    allowed_s = float(found[1]) * unit_s.get(found[2] or "s", 1.0) if found else 60.0
    said = f"{allowed_s:g} s, the slowest refine needs about {slowest_s:.0f} s"
    if allowed_s < slowest_s:
        return Finding("proxy's patience", "failed", said, "Raise proxy_read_timeout of that location.")
    return Finding("proxy's patience", "ok", said)


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
