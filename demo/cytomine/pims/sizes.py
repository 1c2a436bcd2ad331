"""How large an output is: which member of a request counts, and where the limit lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.cytomine.pims.answers import Refused, unprocessable
from slides import Box, SlideFile

OUTPUT_LIMIT_PX = 10_000
SAFETY_MODES = ("SAFE_REJECT", "SAFE_RESIZE", "UNSAFE")


def requested_region(body: Mapping[str, Any], slide: SlideFile) -> Box:
    """Read ``region``; anything outside the slide is refused, not clipped."""
    region = body.get("region")
    if not isinstance(region, Mapping):
        raise unprocessable(["region"], "Field required", region)
    values = {}
    for name, least in (("left", 0), ("top", 0), ("width", 1), ("height", 1)):
        value = region.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise unprocessable(["region", name], f"Input should be an integer of at least {least}", value)
        values[name] = value
    tier = region.get("reference_tier_index")
    factor = 1.0 if tier is None else tier_factor(slide, tier, str(region.get("tier_index_type", "LEVEL")))
    box = Box(**{name: round(value * factor) for name, value in values.items()})
    if box.left + box.width > slide.width or box.top + box.height > slide.height:
        raise Refused(400, "Bad Request", f"Some coordinates of region {dict(region)} are out of bounds.")
    return box


def tier_factor(slide: SlideFile, index: Any, kind: str) -> float:
    """Give level-0 pixels per pixel of a tier; level 0 is the largest, zoom 0 the smallest."""
    count = len(slide.levels)
    if not isinstance(index, int) or not 0 <= index < count:
        raise Refused(400, "Bad Request", f"{kind} tier {index} does not exist for a pyramid of {count} tiers.")
    level = index if kind == "LEVEL" else count - 1 - index
    return slide.width / slide.levels[level][0]


def output_size(
    body: Mapping[str, Any], width: float, height: float, slide: SlideFile, default_length: int | None = None
) -> tuple[int, int]:
    """Give width and height of the output: ``level`` over ``zoom``, ``height``, ``width``, ``length``.

    Lengths are whole pixels above 1, or a ratio in (0, 1]: a length of 1 is the full size.
    """
    given = {name: body[name] for name in ("level", "zoom", "height", "width", "length") if body.get(name) is not None}
    if not given and default_length is not None:
        given = {"length": default_length}
    if not given:
        raise Refused(400, "Bad Request", "Impossible to determine output dimensions: no size is given.")
    name, value = next(iter(given.items()))
    if name in {"level", "zoom"}:
        ratio = 1 / tier_factor(slide, value, name.upper())
    else:
        side = {"height": height, "width": width, "length": max(width, height)}[name]
        ratio = _wanted(name, value, side) / side
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def _wanted(name: str, value: Any, side: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise unprocessable([name], "Input should be a positive number", value)
    if value <= 1:
        return side * value
    if not float(value).is_integer():
        raise unprocessable([name], "Input should be an integer, or a ratio of at most 1", value)
    return float(value)


def safe_size(size: tuple[int, int], safety: str | None) -> tuple[tuple[int, int], dict[str, str]]:
    """Apply the limit of the output's sides.

    Returns
    -------
    size : (int, int)
        Shrunk where the mode says so.
    headers : dict
        Tell of the shrinking.
    """
    mode = safety or "SAFE_REJECT"
    if mode not in SAFETY_MODES:
        raise unprocessable(["X-Image-Size-Safety"], f"Input should be one of {', '.join(SAFETY_MODES)}", safety)
    width, height = size
    if mode == "UNSAFE" or max(size) <= OUTPUT_LIMIT_PX:
        return size, {}
    if mode == "SAFE_REJECT":
        raise Refused(
            400,
            "Too large image output dimensions.",
            f"Requested output dimensions exceed {OUTPUT_LIMIT_PX} pixels.",
            request_width=width,
            request_height=height,
            max_size=OUTPUT_LIMIT_PX,
        )
    ratio = OUTPUT_LIMIT_PX / max(size)
    safe = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    told = f"request_width={width},request_height={height},safe_width={safe[0]},safe_height={safe[1]},ratio={ratio}"
    return safe, {"X-Image-Size-Limit": told}
