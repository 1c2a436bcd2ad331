"""A slide full of discs, and a model that finds the one it is pointed at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from app.geometry.judgement import Judgement
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import Window, WindowGrid, WindowImage
from app.usecases.ports import Claim, ModelInfo, Plane, Slide
from tests.fakes.rooms import DARK, WHITE, DarkEmbedding, DarkSegmenter

PLACES = [(x, y) for x in (130, 330, 530, 730, 900) for y in (100, 300, 500, 700)]
"""Slide frame."""
RADIUS = 30
RADIUS = 30


class ManyDiscs:
    """A slide with dark discs on white."""

    def __init__(self, places: Sequence[tuple[int, int]] = PLACES) -> None:
        self.places = places
        self.read_windows: list[Window] = []
        self.error_at: dict[int, Exception] = {}

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        self.read_windows.append(window)
        if error := self.error_at.get(len(self.read_windows)):
            raise error
        side = min(side_px, window.side_px0)
        grid = WindowGrid(window.x0, window.y0, window.side_px0 / side, window.side_px0 / side)
        columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
        x, y = grid.x0 + columns * grid.dx, grid.y0 + rows * grid.dy
        dark = np.any([np.hypot(x - px, y - py) < RADIUS for px, py in self.places] or [x < 0], axis=0)
        return WindowImage(np.stack([np.where(dark, DARK, WHITE).astype(np.uint8)] * 3, -1), grid)


@dataclass
class Pointing(DarkSegmenter):
    """Finds the dark component nearest to the middle of the prompts."""

    judgement: Judgement = field(default_factory=Judgement)
    decoded: int = 0
    before_decoding: Callable[[], None] | None = None
    asked: list[Prompts] = field(default_factory=list)

    @property
    def input_side_px(self) -> int:
        return 256

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, judgement=self.judgement)

    def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
        self.decoded += 1
        self.asked.append(prompts)
        if self.before_decoding:
            self.before_decoding()
        _, labels = cv2.connectedComponents(embedding.dark.astype(np.uint8))
        x, y = np.concatenate([prompts.box, prompts.points]).mean(0)
        label = labels[min(int(y), len(labels) - 1), min(int(x), len(labels[0]) - 1)]
        found = np.where((labels == label) & embedding.dark, 9.0, -9.0).astype(np.float32)
        found = found[::4, ::4]
        return Masks(np.stack([found] * 3), np.array([0.3, self.score, 0.3], np.float32))
