"""PIMS without HTTP: a request's parts in, an answer out. Core calls it directly, the routes serve it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demo.cytomine.pims.answers import PimsAnswer, Refused, file_not_found, unprocessable
from demo.cytomine.pims.formats import encode, media_type
from demo.cytomine.pims.planes import chosen_view
from demo.cytomine.pims.shapes import painted, read_shapes, region_of
from demo.cytomine.pims.sizes import OUTPUT_LIMIT_PX, output_size, requested_region, safe_size
from slides import Box, DamagedPixels, NotASlide, Pixels, Seen, SlideFile, open_slide
from slides.display import middle_plane, shown

TILE_PX = 256
VERSION = "1.0.0"
_DAMAGED = "X-Damaged-Regions"
_log = logging.getLogger(__name__)


class Pims:
    """Serves the slide files under a folder.

    Parameters
    ----------
    root : Path
        Paths of requests are relative to it and may not leave it.
    cache : bool
        Send cache headers and answer 304, as a deployment with its cache on.
    """

    def __init__(self, root: Path, *, cache: bool = True) -> None:
        self.root = root.resolve()
        self._cache = cache

    def slide(self, path: str) -> SlideFile:
        """Open a slide; raises `Refused` (404 unknown file, 400 no slide)."""
        file = self.root / path  # may be a link that the demo made, but never leads out by its own name
        if ".." in Path(path).parts or not file.is_relative_to(self.root) or not file.is_file():
            raise file_not_found(path)
        try:
            return open_slide(file)
        except NotASlide as error:
            raise Refused(400, "No matching format found", str(error)) from error
        except FileNotFoundError as error:
            raise file_not_found(path) from error

    def window(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        accept: str | None,
        safety: str | None = None,
        extension: str | None = None,
        if_none_match: str | None = None,
    ) -> PimsAnswer:
        """Serve a region, y from the top."""

        def render() -> tuple[Pixels, str, dict[str, str]]:
            slide = self.slide(path)
            region = requested_region(body, slide)
            size, headers = safe_size(output_size(body, region.width, region.height, slide), safety)
            media = media_type(extension, accept)
            view = chosen_view(body, slide)
            return _whole(slide, shown(slide, view, region, size, bits=_depth(media))), media, headers

        return self._answered(render, path, ["window", dict(body), accept, safety, extension], if_none_match)

    def annotation(
        self,
        kind: str,
        path: str,
        body: Mapping[str, Any],
        *,
        accept: str | None,
        origin: str | None = None,
        safety: str | None = None,
        extension: str | None = None,
        if_none_match: str | None = None,
    ) -> PimsAnswer:
        """Serve the crop, mask or drawing of annotations."""

        def render() -> tuple[Pixels, str, dict[str, str]]:
            slide = self.slide(path)
            shapes = read_shapes(body, slide, origin)
            region = region_of(shapes, body, slide, square=kind == "drawing" and bool(body.get("try_square")))
            size, headers = safe_size(output_size(body, region.width, region.height, slide), safety)
            media = media_type(extension, accept, png_first=kind == "mask")
            view = chosen_view(body, slide, displayed=kind == "drawing")
            pixels = _whole(slide, shown(slide, view, region, size, bits=_depth(media)))
            return painted(kind, shapes, region, pixels, body), media, headers

        return self._answered(render, path, [kind, dict(body), accept, origin, safety, extension], if_none_match)

    def reduced(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        accept: str | None,
        safety: str | None = None,
        extension: str | None = None,
        png_first: bool = False,
        if_none_match: str | None = None,
    ) -> PimsAnswer:
        """Serve the whole slide, reduced: ``thumb`` in the contrast for display, ``resized`` (`png_first`) as it is."""

        def render() -> tuple[Pixels, str, dict[str, str]]:
            slide = self.slide(path)
            size, headers = safe_size(output_size(body, slide.width, slide.height, slide, TILE_PX), safety)
            media = media_type(extension, accept, png_first=png_first)
            view = chosen_view(body, slide, displayed=not png_first)
            bits = _depth(media) if png_first else 8
            seen = shown(slide, view, Box(0, 0, slide.width, slide.height), size, bits=bits)
            return seen.pixels, media, {**headers, **_damage(slide, seen)}

        return self._answered(render, path, ["reduced", dict(body), accept, safety, extension], if_none_match)

    def tile(self, path: str, zoom: int, column: int | None, row: int | None, index: int | None) -> PimsAnswer:
        """Serve a tile of the normalized pyramid, whose tiers halve from level 0 down to one tile."""

        def render() -> tuple[Pixels, str, dict[str, str]]:
            slide = self.slide(path)
            tiers = normalized_tiers(slide)
            if not 0 <= zoom < len(tiers):
                raise Refused(400, "Bad Request", f"Zoom {zoom} does not exist.")
            factor, columns, rows = tiers[zoom]
            tx, ty = (index % columns, index // columns) if index is not None else (column or 0, row or 0)
            if not (0 <= tx < columns and 0 <= ty < rows):
                raise Refused(400, "Bad Request", f"Tile {tx}, {ty} is out of bounds.")
            left, top = tx * TILE_PX * factor, ty * TILE_PX * factor
            width = min(TILE_PX * factor, slide.width - left)
            height = min(TILE_PX * factor, slide.height - top)
            size = (max(1, -(-width // factor)), max(1, -(-height // factor)))
            z, t = middle_plane(slide)  # the viewer shows the slice that Core takes for the image
            view = chosen_view({"z_slices": z, "timepoints": t}, slide, displayed=True)
            seen = shown(slide, view, Box(left, top, width, height), size, bits=8)
            return seen.pixels, "image/jpeg", _damage(slide, seen)

        return self._answered(render, path, ["tile", zoom, column, row, index], None)

    def info(self, path: str) -> PimsAnswer:
        """Tell what the slide is."""
        return self._told(lambda: _info(self.slide(path), path))

    def metadata(self, path: str) -> PimsAnswer:
        """Tell the slide's metadata as items."""

        def items() -> dict[str, Any]:
            slide = self.slide(path)
            values = {
                "MicronsPerPixel": slide.microns_per_pixel,
                "Magnification": slide.magnification,
                "Stretch": slide.stretch,
            }
            return {
                "items": [
                    {"key": key, "value": value, "type": type(value).__name__, "namespace": ""}
                    for key, value in values.items()
                    if value is not None
                ]
            }

        return self._told(items)

    @staticmethod
    def server_info() -> PimsAnswer:
        """Tell the version and the settings that matter to callers."""
        settings = {
            "output_size_limit": OUTPUT_LIMIT_PX,
            "default_image_size_safety_mode": "SAFE_REJECT",
            "default_annotation_origin": "LEFT_TOP",
        }
        return PimsAnswer.json({"version": VERSION, "settings": settings})

    @staticmethod
    def _told(content: Callable[[], dict[str, Any]]) -> PimsAnswer:
        try:
            return PimsAnswer.json(content())
        except Refused as refused:
            return refused.answer

    def _answered(
        self,
        render: Callable[[], tuple[Any, str, dict[str, str]]],
        path: str,
        key: list[Any],
        if_none_match: str | None,
    ) -> PimsAnswer:
        try:
            headers = self._cache_headers(path, key)
            if headers and if_none_match == headers["ETag"]:
                return PimsAnswer(304, b"", headers)
            pixels, media, more = render()
            return PimsAnswer(200, encode(pixels, media), {"content-type": media, **headers, **more})
        except Refused as refused:
            return refused.answer
        except DamagedPixels as error:
            return Refused(500, "Damaged pixels", str(error)).answer
        except (OSError, MemoryError) as error:
            _log.exception("%s cannot be read", path)
            return Refused(500, "The slide cannot be read", f"{Path(path).name}: {type(error).__name__}").answer

    def _cache_headers(self, path: str, key: list[Any]) -> dict[str, str]:
        file = self.root / path
        if not self._cache or not file.is_file():
            return {}
        made_of = json.dumps([path, file.stat().st_mtime_ns, key], sort_keys=True, default=str)
        tag = hashlib.sha256(made_of.encode()).hexdigest()[:32]
        return {
            "ETag": f'W/"{tag}"',
            "Cache-Control": "private,must-revalidate,max-age=86400",
            "X-Pims-Cache": "MISS",
        }


def normalized_tiers(slide: SlideFile) -> list[tuple[int, int, int]]:
    """Give (factor, columns, rows) of each zoom, the smallest first."""
    factor, found = 1, []
    while True:
        columns, rows = (-(-side // (TILE_PX * factor)) for side in (slide.width, slide.height))
        found.append((factor, columns, rows))
        if columns == rows == 1:
            return found[::-1]
        factor *= 2


def _whole(slide: SlideFile, seen: Seen) -> Pixels:
    """Give pixels that somebody measures or outlines: all of them are the slide's, or none are sent."""
    if seen.damaged:
        raise DamagedPixels(slide.name, seen.damaged)
    return seen.pixels


def _damage(slide: SlideFile, seen: Seen) -> dict[str, str]:
    """Tell which parts of pixels for display are only a fill: left, top, width, height; level-0 pixels."""
    if not seen.damaged:
        return {}
    _log.warning("%s", DamagedPixels(slide.name, seen.damaged))
    return {_DAMAGED: "; ".join(f"{box.left},{box.top},{box.width},{box.height}" for box in seen.damaged)}


def read_body(text: bytes, content_type: str | None) -> dict[str, Any]:
    """Read a JSON object as PIMS does; raises `Refused` (422)."""
    if content_type and "json" not in content_type:
        raise unprocessable([], "Input should be a valid dictionary", content_type)
    try:
        body = json.loads(text)
    except ValueError as error:
        raise unprocessable([], "JSON decode error", str(error)) from error
    if not isinstance(body, dict):
        raise unprocessable([], "Input should be a valid dictionary", None)
    return body


def _depth(media: str) -> int:
    """Only PNG keeps more than 8 bits."""
    return 16 if media == "image/png" else 8


def _info(slide: SlideFile, path: str) -> dict[str, Any]:
    channels, depth, duration = slide.planes
    tiers = [
        {
            "zoom": len(slide.levels) - 1 - level,
            "level": level,
            "width": width,
            "height": height,
            "tile_width": TILE_PX,
            "tile_height": TILE_PX,
            "downsampling_factor": slide.width / width,
            "n_tiles": int(np.ceil(width / TILE_PX) * np.ceil(height / TILE_PX)),
            "n_tx": int(np.ceil(width / TILE_PX)),
            "n_ty": int(np.ceil(height / TILE_PX)),
        }
        for level, (width, height) in enumerate(slide.levels)
    ]
    image = {
        "original_format": Path(path).suffix.lstrip(".").upper(),
        "width": slide.width,
        "height": slide.height,
        "depth": depth,
        "duration": duration,
        "physical_size_x": slide.microns_per_pixel,
        "physical_size_y": slide.microns_per_pixel,
        "physical_size_z": None,
        "frame_rate": None,
        "n_channels": channels * slide.samples,
        "n_concrete_channels": channels,
        "n_samples": slide.samples,
        "n_planes": channels * depth * duration,
        "are_rgb_planes": slide.samples == 3,
        "n_distinct_channels": channels,
        "acquired_at": None,
        "description": None,
        "pixel_type": f"uint{slide.bits}",
        "significant_bits": slide.bits,
        "bits": slide.bits,
    }
    return {
        "image": image,
        "instrument": {"objective": {"nominal_magnification": slide.magnification}},
        "associated": [],
        "channels": [
            {"index": index, "color": "#{:02X}{:02X}{:02X}".format(*colour)}
            for index, colour in enumerate(slide.colours)
        ],
        "representations": [{"role": "SPATIAL", "pyramid": {"n_tiers": len(tiers), "tiers": tiers}}],
    }
