"""PIMS, seen from where the service runs: whether it answers, and whether its y axis is Core's."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from app.doctor.finding import Finding, cause, is_down
from app.settings import PlatformSettings

_TRY_LENGTH_PX = 512
_CELLS = 8
_DIFFERENT = 8.0
"""Mean grey levels by which two places must differ to be told apart, JPEG noise included."""


def pims(settings: PlatformSettings, client: httpx.Client, side_px: int) -> Finding:
    """Check that PIMS answers, its version, and that it gives windows as large as the model's."""
    url = f"{settings.pims_base_url}/info"
    advice = "Check REFINE_PLATFORM__PIMS_URL: PIMS' address with its prefix, usually .../ims."
    try:
        answer = client.get(url)
        if is_down(answer):
            down = f"the proxy answers at {url}, but PIMS behind it does not ({answer.status_code})"
            return Finding(
                "PIMS", "failed", down, "PIMS is down or still starting: docker compose up -d pims, and its log."
            )
        body = answer.json()
        version, limit_px = body["version"], int(body["settings"]["output_size_limit"])
    except httpx.ReadTimeout:
        advice = "PIMS is down, still starting or overloaded: docker compose up -d pims, and its log."
        return Finding("PIMS", "failed", f"{url} takes the request, but does not answer", advice)
    except httpx.HTTPError as error:
        return Finding("PIMS", "failed", f"{url}: {cause(error)}", advice)
    except (ValueError, KeyError, TypeError):
        return Finding("PIMS", "failed", f"{url} does not answer as PIMS does", advice)
    said = f"version {version}, images up to {limit_px} px a side"
    if limit_px < side_px:
        return Finding("PIMS", "failed", said, f"Windows have {side_px} px: raise OUTPUT_SIZE_LIMIT of PIMS.")
    return Finding("PIMS", "ok", said)


def orientation(settings: PlatformSettings, http: httpx.Client | None, image_id: int | None) -> Finding:
    """Check, on an image, that annotations count y from the bottom and windows from the top."""
    about = "y axis"
    if image_id is None:
        return Finding(about, "skipped", "to check it, name an image: --image ID")
    if http is None:
        return Finding(
            about, "skipped", "to check it, set the keys of an account: REFINE_PLATFORM__PUBLIC_KEY and ..._PRIVATE_KEY"
        )
    try:
        record = http.get(f"{settings.host}/api/imageinstance/{image_id}.json")
        if record.status_code != 200:
            return Finding(
                about,
                "failed",
                f"Core answered {record.status_code} for image {image_id}",
                "Is the account of these keys allowed to see it?",
            )
        return _compared(settings, http, record.json())
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
        return Finding(
            about, "failed", f"no pixels of image {image_id}: {cause(error)}", "See the lines about Core and PIMS."
        )


def _compared(settings: PlatformSettings, http: httpx.Client, image: dict[str, Any]) -> Finding:
    """Compare Core's crop of a shape with the window where it should be, and with the one at its mirror image."""
    width, height = int(image["width"]), int(image["height"])
    whole = _window(settings, http, image, (0, 0, width, height))
    row, column, difference = _telling_cell(whole)
    if difference < _DIFFERENT:
        return Finding("y axis", "skipped", "this image looks the same upside down: choose another with --image")
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
