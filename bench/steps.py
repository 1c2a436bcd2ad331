"""How long the steps around the encoder take: reading a window, decoding, and from the mask to the polygon."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import shapely

from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.geometry.frames import Roi, flip_geometry
from app.geometry.outlines import outline_of
from app.geometry.polygons import clip_to_slide, polygonal
from app.geometry.prompts import PointLabel, Prompts
from app.geometry.windows import MODEL_SIDE_PX, Window, WindowGrid, plan_window
from app.imagery.decode import read_rgb
from app.imagery.reader import SlideWindowReader
from app.segmenter.engines.names import REFERENCE
from app.segmenter.engines.tissue import drawn_window
from app.segmenter.load import load_segmenter
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.checks import file_sha256
from app.segmenter.weights.choice import ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import Claim, Plane, Slide
from bench.reference import cleaned, outline_of_mask
from bench.rows import Row, row, timed
from bench.stage import Stage

_SIDES_PX0 = (200, 2000, 8000)
"""Of windows; the reference works on as many pixels."""


def steps(stage: Stage, device: str, runs: int) -> list[Row]:
    """Measure each step beside the reference's, in turns."""
    return [*_reading(stage, runs), *_decoding(stage, device, runs), *_outlining(stage, runs)]


def _reading(stage: Stage, runs: int) -> list[Row]:
    http, pixels = CoreHttp(stage.platform), PimsPixels(stage.platform, 2**30)
    slide = CoreGateway(http).slide(stage.image.id)
    reader = SlideWindowReader(pixels)
    rows = []
    for side in _SIDES_PX0:
        window = _window(slide, side)

        def theirs(region: Window) -> None:
            read_rgb(pixels.region(slide, Plane(), region.region, max(region.region.width, region.region.height)))

        pairs = [
            (timed(reader.read, slide, Plane(), window, MODEL_SIDE_PX), timed(theirs, window)) for _ in range(runs)
        ]
        rows.append(row(f"read a window of {window.side_px0} px", *zip(*pairs, strict=True)))
    http.close()
    pixels.close()
    return rows


def _decoding(stage: Stage, device: str, runs: int) -> list[Row]:
    """Measure the decoder on the service's engine beside torch in float32, on one embedding."""
    weights = ChosenWeights("random", stage.checkpoint, stage.config, file_sha256(stage.checkpoint), "configured")

    def load(engine: str) -> Sam2Segmenter:
        chosen = {"device": device, "engine": engine, "engine_folder": stage.folder / "engines"}
        return load_segmenter(SegmenterSettings.model_validate(chosen), weights)

    ours, reference = load(stage.engine), load(REFERENCE)
    side = reference.input_side_px
    embedding = reference.encode(drawn_window(0, side), Claim())
    box = np.array([[side / 4, side / 4], [3 * side / 4, 3 * side / 4]])
    prompts = Prompts(box, np.array([[side / 2, side / 2]]), (PointLabel.FOREGROUND,))  # type: ignore[arg-type]
    for one in (ours, reference):
        one.decode(embedding, prompts)
    pairs = [(timed(ours.decode, embedding, prompts), timed(reference.decode, embedding, prompts)) for _ in range(runs)]
    for one in (ours, reference):
        one.close()
    return [row(f"decode, {stage.engine}", *zip(*pairs, strict=True))]


def _outlining(stage: Stage, runs: int) -> list[Row]:
    slide = Slide(1, stage.image.width, stage.image.height, "")
    logits = _blob()
    rows = []
    for side in _SIDES_PX0:
        window = _window(slide, side)
        scale = window.side_px0 / MODEL_SIDE_PX

        def ours(window: Window, scale: float) -> None:
            side = (MODEL_SIDE_PX, MODEL_SIDE_PX)
            shape = outline_of(logits, WindowGrid(window.x0, window.y0, scale, scale), side)
            clipped = shape and clip_to_slide(shape, slide.width, slide.height)
            polygonal(flip_geometry(clipped or shapely.Polygon(), slide.height))

        def theirs(window: Window) -> None:
            size = (window.side_px0, window.side_px0)
            mask = (cv2.resize(logits, size) > 0).astype(np.uint8)
            outline_of_mask(cleaned(mask), window.region, slide.height)

        pairs = [(timed(ours, window, scale), timed(theirs, window)) for _ in range(runs)]
        mine, reference = zip(*pairs, strict=True)
        rows.append(row(f"mask to polygon, window of {window.side_px0} px", mine, reference))
    return rows


def _window(slide: Slide, side: int) -> Window:
    side = min(side, slide.width, slide.height)
    x, y = slide.width / 2, slide.height / 2
    return plan_window(Roi(x - side / 4, y - side / 4, x + side / 4, y + side / 4), slide.width, slide.height)


def _blob() -> npt.NDArray[np.float32]:
    """Draw logits of a ragged object, (256, 256) float32, with specks around it."""
    y, x = np.mgrid[:256, :256] - 128.0
    angle = np.arctan2(y, x)
    ragged = 60 + 8 * np.sin(7 * angle) + 3 * np.sin(23 * angle)
    noise = np.random.default_rng(0).normal(0, 1.5, x.shape)
    return np.asarray((ragged - np.hypot(x, y)) / 4 + noise, np.float32)
