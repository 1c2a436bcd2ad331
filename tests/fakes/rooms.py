"""In-memory rooms that behave as the real ones do; the contract suite runs on both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from app.errors import AnnotationChanged, AnnotationNotFound, ServiceError, SlideNotFound
from app.geometry.frames import Roi, flip_y
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import Window, WindowGrid, WindowImage
from app.usecases.ports import (
    Annotation,
    ApiKeys,
    BearerToken,
    Caller,
    Claim,
    Credentials,
    ModelInfo,
    Plane,
    PointAnnotation,
    QueueLoad,
    Slide,
    Stored,
)

WHITE, DARK = 255, 40


def annotation(
    identifier: int, location: str, *, user_id: int = 61, term_ids: frozenset[int] = frozenset(), updated: str = "1"
) -> Annotation:
    return Annotation(identifier, location, 5, None, user_id, term_ids, updated, {})


@dataclass
class FakeGateway:
    """A platform in memory. `fail_on` raises the given error at the n-th write, before or after its effect."""

    slides: dict[int, Slide] = field(default_factory=lambda: {5: Slide(5, 1000, 800, "slide.tif")})
    annotations: dict[int, Annotation] = field(default_factory=dict)
    points: dict[int, tuple[int, PointAnnotation]] = field(default_factory=dict)
    notes: set[int] = field(default_factory=set)
    fail_on: dict[int, tuple[ServiceError, str]] = field(default_factory=dict)
    before_reread: Callable[[], None] | None = None
    writes: list[str] = field(default_factory=list)
    asked_for_notes: list[int] = field(default_factory=list)
    reads: int = 0
    caller_id: int | None = None
    keys: dict[str, str] = field(default_factory=dict)
    identified: int = 0
    properties: dict[tuple[int, str], str] = field(default_factory=dict)
    looked_up: int = 0

    def add_point(
        self,
        identifier: int,
        x: float,
        y: float,
        *,
        user_id: int = 61,
        term_ids: frozenset[int] = frozenset(),
        is_bare: bool = True,
    ) -> None:
        point = PointAnnotation(identifier, x, y, user_id, term_ids, is_bare, "UserAnnotation")
        self.points[identifier] = (user_id, point)

    def acting_as(self, caller: Caller) -> FakeGateway:
        return replace(self, caller_id=caller.user_id)

    def identify(self, credentials: Credentials) -> Caller:
        """Take a token, or what stands before the dash of a public key, for the user's id."""
        self.identified += 1
        text = credentials.text if isinstance(credentials, BearerToken) else credentials.public.partition("-")[0]
        return Caller(int(text), credentials)

    def keys_of(self, public_key: str) -> ApiKeys | None:
        self.looked_up += 1
        private = self.keys.get(public_key)
        return private and ApiKeys(public_key, private)

    def caller(self) -> int | None:
        return self.caller_id

    def annotation(self, annotation_id: int) -> Annotation:
        self.reads += 1
        if self.reads == 2 and self.before_reread:
            self.before_reread()
        try:
            return self.annotations[annotation_id]
        except KeyError:
            raise AnnotationNotFound("none") from None

    def slide(self, slide_id: int) -> Slide:
        try:
            return self.slides[slide_id]
        except KeyError:
            raise SlideNotFound("none") from None

    def plane(self, slide: Slide, slice_id: int | None) -> Plane:
        return Plane()

    def points_in(self, slide: Slide, user_id: int, roi: Roi) -> list[PointAnnotation]:
        return [
            point
            for owner, point in self.points.values()
            if owner == user_id
            and not (
                point.x < roi.x_min
                or point.x > roi.x_max
                or flip_y(point.y, slide.height) < roi.y_min
                or flip_y(point.y, slide.height) > roi.y_max
            )
        ]

    def is_plain(self, point: PointAnnotation) -> bool:
        self.asked_for_notes.append(point.id)
        return point.id not in self.notes

    def is_as_read(self, slide: Slide, point: PointAnnotation) -> bool:
        everywhere = Roi(-1e9, -1e9, 1e9, 1e9)
        return point in self.points_in(slide, point.user_id, everywhere) and self.is_plain(point)

    def store_location(self, annotation: Annotation, location: str) -> Stored:
        def store() -> None:
            if annotation.id not in self.annotations:
                raise AnnotationChanged("gone")
            self.annotations[annotation.id] = replace(annotation, location=location, updated="2")

        self._write(f"store {annotation.id}", store)
        return Stored(location, 88)

    def delete(self, annotation_id: int) -> int | None:
        def delete() -> None:
            if self.points.pop(annotation_id, None) is self.annotations.pop(annotation_id, None):
                raise AnnotationNotFound("none")

        self._write(f"delete {annotation_id}", delete)
        return 1000 + annotation_id

    def put_property(self, annotation_id: int, key: str, value: str) -> int | None:
        def hang() -> None:
            if annotation_id not in self.annotations:
                raise AnnotationNotFound("none")
            self.properties[annotation_id, key] = value

        self._write(f"note {annotation_id}", hang)
        return 99

    def _write(self, what: str, effect: Callable[[], object]) -> None:
        self.writes.append(what)
        error, when = self.fail_on.get(len(self.writes), (None, ""))
        if error and when == "before":
            raise error
        effect()
        if error:
            raise error


@dataclass
class DiscReader:
    """A slide with one dark disc on white."""

    x: float = 500
    y: float = 400
    radius: float = 60

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        side = min(side_px, window.side_px0)
        grid = WindowGrid(window.x0, window.y0, window.side_px0 / side, window.side_px0 / side)
        columns, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
        inside = np.hypot(grid.x0 + columns * grid.dx - self.x, grid.y0 + rows * grid.dy - self.y) < self.radius
        gray = np.where(inside, DARK, WHITE).astype(np.uint8)
        return WindowImage(np.stack([gray] * 3, axis=-1), grid)


@dataclass(frozen=True)
class DarkEmbedding:
    dark: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.dark.nbytes


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class DarkSegmenter:
    """Finds what is dark in the box."""

    score: float = 0.9
    prompts: list[Prompts] = field(default_factory=list)
    error: ServiceError | None = None
    warmed_up: threading.Event = field(default_factory=_set)
    closed: bool = False
    claims: list[Claim] = field(default_factory=list)
    encoded: int = 0

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("dark", "configured", "0" * 64, "float32", "cpu")

    @property
    def input_side_px(self) -> int:
        return 256

    @property
    def load(self) -> QueueLoad:
        return QueueLoad(0, 0, 0.0)

    def close(self) -> None:
        self.closed = True

    def warm_up(self) -> None:
        self.warmed_up.wait(10)

    @contextmanager
    def place(self, claim: Claim) -> Iterator[Callable[[WindowImage], DarkEmbedding]]:
        yield lambda image: self.encode(image, claim)

    def encode(self, image: WindowImage, claim: Claim) -> DarkEmbedding:
        if self.error:
            raise self.error
        self.encoded += 1
        self.claims.append(claim)
        return DarkEmbedding(image.pixels[..., 0] < 128)

    def decode_each(self, embedding: DarkEmbedding, prompts: Sequence[Prompts]) -> list[Masks]:
        return [self.decode(embedding, each) for each in prompts]

    def features(self, embedding: DarkEmbedding) -> np.ndarray:
        rows, columns = (side // 8 * 8 for side in embedding.dark.shape)
        dark = embedding.dark[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8).mean((1, 3))
        return np.stack([dark, 1 - dark]).astype(np.float32)

    def decode(self, embedding: DarkEmbedding, prompts: Prompts) -> Masks:
        self.prompts.append(prompts)
        (x0, y0), (x1, y1) = prompts.box if len(prompts.box) else ((0, 0), embedding.dark.shape[::-1])
        rows, columns = np.indices(embedding.dark.shape) + 0.5
        inside = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
        best = np.where(embedding.dark & inside, 5.0, -5.0)
        return Masks(
            np.stack([-best, best, -np.abs(best)]).astype(np.float32),
            np.array([0.1, self.score, 0.2], np.float32),
        )
