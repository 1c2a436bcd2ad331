"""The thesis' pipeline, written for comparison: what a refine costs without any of this service's decisions.

Its steps are those of Table 7.1: read the annotation, list all annotations of the image and look for points among them,
fetch the window at full resolution, run the package's image predictor in float32, clean the mask at the window's scale,
write the polygon, delete the points.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from app.geometry.windows import Region, plan_window
from app.imagery.decode import read_rgb
from app.imagery.reader import PixelSource
from app.segmenter.checkpoint import load_checkpoint
from app.settings import PlatformSettings
from app.usecases.ports import Plane, Slide

MOST_PX = 8000
"""The longest side that is asked of the image server; source: issues of the earlier services with larger windows."""
_OPEN_PX, _CLOSE_PX, _LEAST_SHARE = 10, 20, 0.1
"""Post-processing of the thesis, in window pixels."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The pipeline, with its connections and its model."""

    http: CoreHttp
    gateway: CoreGateway
    pixels: PimsPixels
    predictor: Any

    def __call__(self, annotation_id: int) -> int:
        """Refine one annotation and give the bytes that came from the image server."""
        annotation = self.gateway.annotation(annotation_id)
        slide = self.gateway.slide(annotation.slide_id)
        roi = roi_of(read_location(annotation.location), slide.width, slide.height)
        listed = self.http.get("annotation.json", {"image": slide.id, "showMeta": "true", "showWKT": "true"})
        points = _points_in(listed["collection"], roi.x_min, roi.y_min, roi.x_max, roi.y_max, slide.height)
        window = plan_window(roi, slide.width, slide.height)
        region = _at_most(window.region)
        encoded = self.pixels.region(slide, Plane(), region, max(region.width, region.height))
        image = read_rgb(encoded).copy()  # the package wants to be able to write
        mask = _mask(self.predictor, image, roi, points, region)
        polygon = polygon_of(cleaned(mask), region, slide.height)
        if polygon is not None:
            self.gateway.store_location(annotation, polygon.wkt)
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


def outline_of(predictor: Any, source: PixelSource, slide: Slide, roi: Roi) -> shapely.Geometry | None:
    """Outline what a box shows as the pipeline does, without a platform; slide frame."""
    region = _at_most(plan_window(roi, slide.width, slide.height).region)
    image = read_rgb(source.region(slide, Plane(), region, max(region.width, region.height))).copy()
    polygon = polygon_of(cleaned(_mask(predictor, image, roi, [], region)), region, slide.height)
    return None if polygon is None else flip_geometry(polygon, slide.height)


def _mask(
    predictor: Any,
    image: npt.NDArray[np.uint8],
    roi: Roi,
    points: list[tuple[int, float, float]],
    region: Region,
) -> npt.NDArray[np.uint8]:
    predictor.set_image(image)
    corner = np.array([region.left, region.top])
    places = np.array([[x, y] for _, x, y in points]).reshape(-1, 2) - corner
    masks, scores, _ = predictor.predict(
        point_coords=places if len(points) else None,
        point_labels=np.ones(len(points), dtype=np.int32) if len(points) else None,
        box=np.array([roi.x_min, roi.y_min, roi.x_max, roi.y_max]) - np.tile(corner, 2),
        multimask_output=True,
    )
    best: npt.NDArray[np.uint8] = masks[int(np.argmax(scores))].astype(np.uint8)
    return best


def _points_in(
    records: list[dict[str, Any]], x0: float, y0: float, x1: float, y1: float, height: int
) -> list[tuple[int, float, float]]:
    found = []
    for record in records:
        shape = shapely.from_wkt(record["location"])
        if shape.geom_type == "Point" and x0 < shape.x < x1 and y0 < flip_y(shape.y, height) < y1:
            found.append((int(record["id"]), shape.x, flip_y(shape.y, height)))
    return found


def _at_most(region: Region) -> Region:
    return Region(region.left, region.top, min(region.width, MOST_PX), min(region.height, MOST_PX))


def cleaned(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Open, close, and keep the large parts, at the window's scale."""
    for operation, size in ((cv2.MORPH_OPEN, _OPEN_PX), (cv2.MORPH_CLOSE, _CLOSE_PX)):
        mask = cv2.morphologyEx(mask, operation, np.ones((size, size), np.uint8)).astype(np.uint8)
    count, labels, figures, _ = cv2.connectedComponentsWithStats(mask)
    areas = figures[1:, cv2.CC_STAT_AREA]
    kept = [at + 1 for at in range(count - 1) if areas[at] >= _LEAST_SHARE * areas.max()]
    return np.isin(labels, kept).astype(np.uint8) if kept else np.zeros_like(mask)


def polygon_of(mask: npt.NDArray[np.uint8], region: Region, height: int) -> shapely.Geometry | None:
    """Give the longest outline, platform frame, or None."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    rings = [ring[:, 0] + (region.left, region.top) for ring in contours if len(ring) >= 4]
    if not rings:
        return None
    return flip_geometry(shapely.Polygon(max(rings, key=len)).buffer(0), height)
