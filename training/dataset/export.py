"""The export: from a source to a dataset folder, only what is new, and safe to stop at any moment."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import ceil, floor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from shapely.geometry.base import BaseGeometry

from app.errors import InvalidSettings
from app.geometry.frames import Roi
from app.geometry.windows import CONTEXT_FACTOR, MODEL_SIDE_PX, Window, plan_window, window_at
from training.dataset.folder import (
    ITEMS,
    MASKS,
    WINDOWS,
    Dataset,
    Item,
    digest_of_files,
    line_of,
    mask_file,
    read_items,
    window_file,
)
from training.dataset.sources import Source, SourceObject, SourceSlide
from training.dataset.splits import assign, check_splits, read_splits, write_splits
from training.errors import telling_of_full_disks

EXPORTS = "exports.jsonl"
JPEG_QUALITY = 95
_EDGE_PX0 = 2.0
_FRACTION_BITS = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a source is worth having."""

    smallest_area_px0: float = 100.0
    """Smaller objects are left out."""
    edges: bool = False
    """Also objects that a tile's edge may have cut; the edges of whole slides cut nothing."""
    per_slide: int | None = None
    """At most so many objects of a slide, drawn evenly; None: all."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did."""

    new: int
    kept: int
    left_out: int
    """Too small, cut by a tile's edge, or not on the slide."""


def export(source: Source, folder: Path, choice: Choice | None = None) -> Exported:
    """Export a source into a dataset folder, which may hold other sources and earlier exports.

    Parameters
    ----------
    source : Source
        See `training.dataset.sources`.
    folder : Path
        The dataset; made where it does not exist.

    Raises
    ------
    BrokenSource
        The source cannot be read; what was finished stays.
    NoSpace
        The disk is full; what was finished stays.
    Leakage
        The same pixels are on two sides of the split.
    """
    choice = choice or Choice()
    for part in (WINDOWS, MASKS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    known = _intact(folder)
    new = left_out = 0
    with telling_of_full_disks(str(folder)), _bar() as bar, (folder / ITEMS).open("a", encoding="utf-8") as lines:
        slides = list(source.slides())
        task = bar.add_task(source.name, total=len(slides), told="")
        for slide in slides:
            for each in _chosen(source.objects(slide), slide, choice):
                item = _described(slide.dataset or source.name, slide, each)
                cut = item is not None and item.touches_edge and not slide.whole and not choice.edges
                if item is None or cut or each.outline.area < choice.smallest_area_px0:
                    left_out += 1
                elif item.id not in known:
                    known[item.id] = _cut(source, slide, each, item, folder)
                    lines.write(line_of(known[item.id]))
                    lines.flush()
                    new += 1
                    bar.update(task, told=f"{new} new, {len(known) - new} kept")
            bar.advance(task)
    items = list(known.values())
    splits = assign(items, read_splits(folder), choice.seed)
    check_splits(items, splits)
    write_splits(folder, splits)
    done = Exported(new, len(known) - new, left_out)
    _record(folder, source.name, choice, done, Dataset(folder, tuple(items), splits))
    return done


def _record(folder: Path, source: str, choice: Choice, done: Exported, dataset: Dataset) -> None:
    """Note what was exported, with the digest of what the dataset is now."""
    line = {"source": source, "choice": asdict(choice), **asdict(done), "dataset_sha256": dataset.sha256}
    with telling_of_full_disks(str(folder)), (folder / EXPORTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def check_data(data: Path) -> None:
    """Make sure that `dataset_of` can give a dataset, before anything is read or made.

    Raises
    ------
    InvalidSettings
        `data` is neither a dataset nor a folder of tiles.
    """
    from training.dataset.sources.tiles import TilesFolder

    if not data.is_dir():
        raise InvalidSettings(f"There is no folder {data}.")
    if not (data / ITEMS).is_file() and not TilesFolder.is_one(data):
        raise InvalidSettings(
            f"{data} is neither a dataset nor a folder of tiles with masks: make one with `python -m training export`."
        )


def dataset_of(data: Path, folder: Path) -> Path:
    """Give a dataset folder: `data` itself if it is one, else what an export of its tiles into `folder` makes."""
    from training.dataset.sources.tiles import TilesFolder

    if (data / ITEMS).is_file():
        return data
    export(TilesFolder(data), folder)
    return folder


def _intact(folder: Path) -> dict[str, Item]:
    """List what was exported before and still is as it was; forget the rest, so that it is made again."""
    if not (folder / ITEMS).exists():
        return {}
    found = {item.id: item for item in read_items(folder)}
    kept = {name: item for name, item in found.items() if digest_of_files(folder, name) == item.sha256}
    part = folder / f"{ITEMS}.part"
    part.write_text("".join(line_of(item) for item in kept.values()), encoding="utf-8")
    part.replace(folder / ITEMS)
    return kept


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("images {task.fields[told]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    return Progress(*columns)


def _chosen(objects: Iterator[SourceObject], slide: SourceSlide, choice: Choice) -> list[SourceObject]:
    """Draw the objects of a slide, the same ones at every export."""
    found = list(objects)
    if choice.per_slide is None or len(found) <= choice.per_slide:
        return found
    order = sorted(
        found, key=lambda each: hashlib.sha256(f"{choice.seed}:{slide.id}:{each.annotation}".encode()).digest()
    )
    return order[: choice.per_slide]


def _described(dataset: str, slide: SourceSlide, each: SourceObject) -> Item | None:
    """Place the window of an object; None where it does not lie on the slide."""
    roi = Roi(*each.outline.bounds).clipped(slide.width, slide.height)
    if roi.width <= 0 or roi.height <= 0:
        return None
    window = (
        plan_window(roi, slide.width, slide.height) if slide.whole else centred_window(roi, slide.width, slide.height)
    )
    scale = MODEL_SIDE_PX / window.side_px0
    gaps = (roi.x_min, roi.y_min, slide.width - roi.x_max, slide.height - roi.y_max)
    left, top = (roi.x_min - window.x0) * scale, (roi.y_min - window.y0) * scale
    return Item(
        id=_file_name(dataset, slide.id, each.annotation),
        dataset=dataset,
        slide=f"{dataset}/{slide.group}",
        annotation=each.annotation,
        object_type=each.object_type,
        window=(window.x0, window.y0, window.side_px0),
        box=(left, top, left + roi.width * scale, top + roi.height * scale),
        longer_px0=roi.longer_side,
        area_px0=float(each.outline.area),
        mpp=slide.mpp,
        touches_edge=min(gaps) < _EDGE_PX0,
        sha256="",
    )


def centred_window(roi: Roi, width: int, height: int) -> Window:
    """Give the window around a box in a tile: centred, whatever of it lies past the tile, whose edges are no glass."""
    side = ceil(CONTEXT_FACTOR * roi.longer_side)
    x0, y0 = (floor((low + high - side) / 2) for low, high in ((roi.x_min, roi.x_max), (roi.y_min, roi.y_max)))
    return window_at(x0, y0, side, width, height)


def _file_name(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in parts)


def _cut(source: Source, slide: SourceSlide, each: SourceObject, item: Item, folder: Path) -> Item:
    """Write the two files of an item, then say what they are."""
    x0, y0, side = item.window
    window = window_at(x0, y0, side, slide.width, slide.height)
    pixels = squared_to_model(source.pixels(slide, window, MODEL_SIDE_PX), window)
    jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    png = cv2.imencode(".png", painted(each.outline, window))[1]
    window_file(folder, item.id).write_bytes(jpeg.tobytes())
    mask_file(folder, item.id).write_bytes(png.tobytes())
    return replace(item, sha256=str(digest_of_files(folder, item.id)))


def squared_to_model(pixels: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.uint8]:
    """Place a window's region in the model frame; past the image its last pixels repeat, as in the service.

    Parameters
    ----------
    pixels : (h, w, 3) uint8
        The region, at any scale.

    Returns
    -------
    (1024, 1024, 3) uint8
    """
    region, scale = window.region, MODEL_SIDE_PX / window.side_px0
    dx, dy = region.width * scale / pixels.shape[1], region.height * scale / pixels.shape[0]
    left, top = (region.left - window.x0) * scale, (region.top - window.y0) * scale
    to_model = np.array([[dx, 0, left + 0.5 * dx - 0.5], [0, dy, top + 0.5 * dy - 0.5]])
    size = (MODEL_SIDE_PX, MODEL_SIDE_PX)
    return np.asarray(
        cv2.warpAffine(pixels, to_model, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def painted(outline: BaseGeometry, window: Window) -> npt.NDArray[np.uint8]:
    """Paint an outline into the model frame, (1024, 1024) uint8, 255 inside; holes stay open.

    Pixels that the outline runs through count as inside, which is half a pixel of 1024.
    """
    scale = MODEL_SIDE_PX / window.side_px0
    canvas = np.zeros((MODEL_SIDE_PX, MODEL_SIDE_PX), np.uint8)
    for polygon in getattr(outline, "geoms", [outline]):
        if polygon.geom_type == "Polygon":
            rings = [np.asarray(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)]
            placed = [(ring - (window.x0, window.y0)) * scale - 0.5 for ring in rings]  # OpenCV counts from centres
            fixed = [np.round(ring * 2**_FRACTION_BITS).astype(np.int32) for ring in placed]
            cv2.fillPoly(canvas, fixed, 255, shift=_FRACTION_BITS)
    return canvas
