"""Which channels, depth and time of a slide a request asks for, and in which contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demo.cytomine.pims.answers import Refused, unprocessable
from slides import SlideFile
from slides.display import View, extremes

_WORDS = ("AUTO_IMAGE", "AUTO_PLANE", "STRETCH_IMAGE", "STRETCH_PLANE")
_AS_DISPLAYED = "AUTO_IMAGE"


def chosen_view(body: Mapping[str, Any], slide: SlideFile, *, displayed: bool = False) -> View:
    """Read a request's planes and intensities.

    Parameters
    ----------
    displayed : bool
        Where nothing is said, stretch the contrast of slides of more than 8 bits, as routes for display do.

    Raises
    ------
    Refused
        400: no such plane, or several where one is needed; 422: something that is no plane or intensity.
    """
    concrete, depth, duration = slide.planes
    count = concrete * slide.samples
    channels = _indexes(body.get("channels"), count, range(count), "channels")
    z = _one(_indexes(body.get("z_slices"), depth, (round(depth / 2),), "z_slices"), "z_slices")
    t = _one(_indexes(body.get("timepoints"), duration, (0,), "timepoints"), "timepoints")
    default = [_AS_DISPLAYED] if displayed else []
    low, high = (_intensities(body, name, default, len(channels)) for name in ("min_intensities", "max_intensities"))
    bounds = tuple(
        (_bound(slide, wanted_low, (channel, z, t), 0), _bound(slide, wanted_high, (channel, z, t), 1))
        for channel, wanted_low, wanted_high in zip(channels, low, high, strict=True)
    )
    return View(tuple(channels), z, t, bounds)


def _indexes(given: Any, count: int, default: Sequence[int], name: str) -> list[int]:
    """Read plane numbers and ranges such as ``1:3``; those that do not exist are passed over."""
    wanted = [] if given is None else given if isinstance(given, list) else [given]
    if not wanted:
        return [min(each, count - 1) for each in default]
    found: set[int] = set()
    for each in wanted:
        if isinstance(each, int) and not isinstance(each, bool):
            found.add(each)
        elif isinstance(each, str):
            found |= set(_range(each, count, name))
        else:
            raise unprocessable([name], "Input should be a valid integer or range", each)
    valid = sorted(each for each in found if 0 <= each < count)
    if not valid:
        raise Refused(400, "Bad Request", f"No valid indexes for {name}")
    return valid


def _range(text: str, count: int, name: str) -> range:
    low, colon, high = (part.strip() for part in text.partition(":"))
    if colon != ":" or any(part and not part.lstrip("-").isdigit() for part in (low, high)):
        raise Refused(400, "Bad Request", f"{text} is not a valid index or range for {name}.")
    first, last = int(low or 0), int(high or count)
    return range(min(first, last), max(first, last))


def _one(indexes: list[int], name: str) -> int:
    if len(indexes) > 1:
        raise Refused(400, "Bad Request", f"A reduction is required for {name}")
    return indexes[0]


def _intensities(body: Mapping[str, Any], name: str, default: list[Any], count: int) -> list[Any]:
    """Read one intensity for all channels, or one for each; None is the lowest or highest that can be."""
    given = body.get(name)
    wanted = default if given is None else given if isinstance(given, list) else [given]
    for each in wanted:
        is_number = isinstance(each, int) and not isinstance(each, bool) and each >= 0
        if not is_number and each not in _WORDS:
            raise unprocessable(
                [name], f"Input should be one of {', '.join(_WORDS)}, or an integer of at least 0", each
            )
    if len(wanted) not in {0, 1, count}:
        raise Refused(400, "Bad Request", f"The parameter {name} has {len(wanted)} elements; 0, 1 or {count} expected.")
    return wanted if len(wanted) == count else (wanted or [None]) * count


def _bound(slide: SlideFile, wanted: Any, plane: tuple[int, int, int], end: int) -> int:
    """Turn an intensity into a value; `end` 0 is the lower bound."""
    largest: int = 2**slide.bits - 1
    if isinstance(wanted, int):
        return min(int(wanted), largest)
    if wanted is None or (wanted.startswith("AUTO") and slide.bits <= 8):
        return largest if end else 0
    low, high = extremes(slide, *plane) if wanted.endswith("PLANE") else extremes(slide, plane[0])
    return high if end else low
