"""Where ``--geojson`` writes: a file for the outlines of one image, or a folder with a file for each image."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cytomine_refine.cli.console import refusal

if TYPE_CHECKING:
    from cytomine_refine import Outline, RefineClient, Slide
    from cytomine_refine.journal import Row

_SUFFIXES = {".geojson", ".json"}


def check_writable(target: Path) -> None:
    """See before any work is done that a file, or a folder for several, can be written."""
    folder = target.parent if _is_file(target) or target.suffix == ".html" else target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if target.is_file() and not os.access(target, os.W_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as error:
        raise refusal(f"{target} cannot be written ({error.strerror}): choose another path.") from error


def check_one_slide(outlines: Iterable[Outline], target: Path) -> None:
    """Refuse to mix the outlines of several slides in one file."""
    images = {outline.image_id for outline in outlines}
    if _is_file(target) and len(images) > 1:
        raise typer.BadParameter(
            f"The annotations lie on {len(images)} images: give --geojson a folder, and each gets a file of its own."
        )


def slides_of(client: RefineClient, outlines: Iterable[Outline]) -> list[Slide]:
    """Look the slides of outlines up."""
    return [client.slide(number) for number in sorted({outline.image_id for outline in outlines})]


def write_outlines(target: Path, rows: Iterable[Row], slides: Collection[Slide]) -> None:
    """Write the outlines of rows, each where its slide's are.

    Parameters
    ----------
    slides : collection of Slide
        Those that rows name.
    """
    from cytomine_refine.geojson import feature

    by_id = {slide.id: slide for slide in slides}
    features: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.location and row.image in by_id:
            features[row.image].append(
                feature(row.annotation, row.location, by_id[row.image], outcome=row.outcome, score=row.score)
            )
    write_features(target, features, slides)


def write_features(target: Path, features: Mapping[int, list[dict[str, Any]]], slides: Collection[Slide]) -> None:
    """Write GeoJSON features, by the ids of their slides."""
    from cytomine_refine.geojson import feature_collection

    for slide, file in _files(target, slides).items():
        with file.open("w", encoding="utf-8") as out:
            json.dump(feature_collection(features.get(slide) or []), out)


def _is_file(target: Path) -> bool:
    return target.suffix.lower() in _SUFFIXES and not target.is_dir()


def _files(target: Path, slides: Collection[Slide]) -> dict[int, Path]:
    """Name a file for each slide, as QuPath's and our own export look for them: as the slide's file."""
    if _is_file(target):
        return {slide.id: target for slide in slides}
    of_name = Counter(slide.stem.lower() for slide in slides)
    return {
        slide.id: target
        / (f"{slide.stem}.geojson" if of_name[slide.stem.lower()] == 1 else f"{slide.stem}-{slide.id}.geojson")
        for slide in slides
    }
