"""The thesis' pipeline, written for comparison: what a refine costs without any of this service's decisions.

Its steps are those of Table 7.1: read the annotation, list all annotations that its user has on the image and look for
points among them, fetch the window, run the package's image predictor in float32, clean the mask at the window's scale,
write the outline, delete the points. Its rules are those of the author's code (Cytomine-sam): read, not copied.

What a large region is reduced to, the text and the code tell differently, so there are two readings of it: `CODE` and
`TEXT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.geometry.frames import Roi, flip_geometry, flip_y
from app.geometry.locations import read_location, roi_of
from app.geometry.windows import Region
from app.imagery.decode import read_rgb
from app.imagery.reader import PixelSource
from app.segmenter.checkpoint import load_checkpoint
from app.settings import PlatformSettings
from app.usecases.ports import Plane, Slide

_OPEN_PX, _CLOSE_PX, _LEAST_SHARE = 10, 20, 0.1
"""Post-processing, in pixels of the window as it was fetched."""
_ZOOM_OUT = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How the thesis is read where it leaves a choice."""

    name: str
    most_px: int
    """A window of more pixels a side is fetched with so many."""


CODE = Reading("author's code", 8000)
"""Source: ``MAX_DIM`` in ``src/api/prediction.py``: the window is scaled to 8,000 px, and so are the prompts."""
TEXT = Reading("thesis' text", 1024)
"""Source: section 7.3: a region larger than the model's input is resized, until its longer side has 1,024 px."""
READINGS = (CODE, TEXT)


@dataclass(frozen=True, slots=True)
class Reference:
    """The pipeline, with its connections and its model."""

    http: CoreHttp
    gateway: CoreGateway
    pixels: PimsPixels
    predictor: Any
    reading: Reading = CODE

    def __call__(self, annotation_id: int) -> int:
        """Refine one annotation and give the bytes that came from the image server."""
        annotation = self.gateway.annotation(annotation_id)
        slide = self.gateway.slide(annotation.slide_id)
        roi = roi_of(read_location(annotation.location), slide.width, slide.height)
        query = {
            "image": slide.id,
            "user": annotation.user_id,
            "showMeta": "true",
            "showWKT": "true",
            "showGIS": "true",
        }
        listed = self.http.get("annotation.json", query)
        points = _points_in(listed["collection"], roi, slide.height)
        region = window_of(roi, slide.width, slide.height)
        encoded = self.pixels.region(slide, Plane(), region, min(region.width, self.reading.most_px))
        image = read_rgb(encoded).copy()  # the package wants to be able to write
        mask = _mask(self.predictor, image, roi, points, region)
        shape = outline_of_mask(cleaned(mask), region, slide.height)
        if shape is not None:
            self.gateway.store_location(annotation, shape.wkt)
            for number, _, _ in points:
                self.gateway.delete(number)
        return len(encoded)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
        self.pixels.close()


def open_reference(platform: PlatformSettings, checkpoint: Path, config: str) -> Reference:
    """Connect the pipeline and load its model, float32 on the CPU.

    Raises
    ------
    ImportError, RuntimeError
        The package's predictor needs torchvision, which does not import beside every torch.
    """
    predictor = open_predictor(checkpoint, config)
    http = CoreHttp(platform)
    return Reference(http, CoreGateway(http), PimsPixels(platform, 2**30), predictor)


def open_predictor(checkpoint: Path, config: str) -> Any:
    """Load the package's image predictor, float32 on the CPU; raises as `open_reference`."""
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    model: Any = load_checkpoint(checkpoint, config)
    predictor = SAM2ImagePredictor(model)
    side = int(model.image_size)
    predictor._bb_feat_sizes = [(side // step,) * 2 for step in (4, 8, 16)]  # the package has those of 1024 px
    return predictor


def outline_of(
    predictor: Any, source: PixelSource, slide: Slide, roi: Roi, reading: Reading = CODE
) -> shapely.Geometry | None:
    """Outline what a box shows as the pipeline does, without a platform; slide frame."""
    region = window_of(roi, slide.width, slide.height)
    image = read_rgb(source.region(slide, Plane(), region, min(region.width, reading.most_px))).copy()
    shape = outline_of_mask(cleaned(_mask(predictor, image, roi, [], region)), region, slide.height)
    return None if shape is None else flip_geometry(shape, slide.height)


def window_of(roi: Roi, width: int, height: int) -> Region:
    """Give the square of twice the longer side around a box, moved onto the slide and no larger than it."""
    box_width, box_height = floor(roi.x_max - roi.x_min), floor(roi.y_max - roi.y_min)
    side = min(floor(max(box_width, box_height) * _ZOOM_OUT), width, height)
    left = floor(roi.x_min - (side - box_width) / 2)
    top = floor(roi.y_min - (side - box_height) / 2)
    return Region(max(0, min(left, width - side)), max(0, min(top, height - side)), side, side)


def _mask(
    predictor: Any,
    image: npt.NDArray[np.uint8],
    roi: Roi,
    points: list[tuple[int, float, float]],
    region: Region,
) -> npt.NDArray[np.uint8]:
    """Ask the predictor with prompts in whole pixels of the window as it was fetched."""
    predictor.set_image(image)
    corner, scale = np.array([region.left, region.top]), image.shape[1] / region.width
    places = ((np.array([[x, y] for _, x, y in points]).reshape(-1, 2) - corner) * scale).astype(np.int32)
    box = (np.array([roi.x_min, roi.y_min, roi.x_max, roi.y_max]) - np.tile(corner, 2)) * scale
    masks, scores, _ = predictor.predict(
        point_coords=places if len(points) else None,
        point_labels=np.ones(len(points), dtype=np.int32) if len(points) else None,
        box=box.astype(np.int32),
        multimask_output=True,
    )
    best: npt.NDArray[np.uint8] = masks[int(np.argmax(scores))].astype(np.uint8)
    return best


def _points_in(records: list[dict[str, Any]], roi: Roi, height: int) -> list[tuple[int, float, float]]:
    found = []
    for record in records:
        shape = shapely.from_wkt(record["location"])
        if shape.geom_type == "Point":
            x, y = shape.x, flip_y(shape.y, height)
            if roi.x_min < x < roi.x_max and roi.y_min < y < roi.y_max:
                found.append((int(record["id"]), x, y))
    return found


def cleaned(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Open, close, and keep the large parts, at the window's scale."""
    for operation, size in ((cv2.MORPH_OPEN, _OPEN_PX), (cv2.MORPH_CLOSE, _CLOSE_PX)):
        mask = cv2.morphologyEx(mask, operation, np.ones((size, size), np.uint8)).astype(np.uint8)
    count, labels, figures, _ = cv2.connectedComponentsWithStats(mask)
    areas = figures[1:, cv2.CC_STAT_AREA]
    kept = [at + 1 for at in range(count - 1) if areas[at] >= _LEAST_SHARE * areas.max()]
    return np.isin(labels, kept).astype(np.uint8) if kept else np.zeros_like(mask)


def outline_of_mask(mask: npt.NDArray[np.uint8], region: Region, height: int) -> shapely.Geometry | None:
    """Give all outlines through the pixels' centres, platform frame, or None; mended where they cross themselves."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    scale = region.width / mask.shape[1]
    rings = [ring[:, 0] * scale + (region.left, region.top) for ring in contours if len(ring) >= 3]
    if not rings:
        return None
    parts = shapely.MultiPolygon([shapely.Polygon(ring) for ring in rings])
    return flip_geometry((parts.geoms[0] if len(rings) == 1 else parts).buffer(0), height)
