"""The ports of the use cases: what they need from the platform, the image server and the model.

Other packages implement these Protocols; ``app.main`` connects them. Values that cross a port are frozen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.errors import CallerGone, ModelBusy
from app.geometry.frames import Roi
from app.geometry.glance import Glance
from app.geometry.judgement import UNJUDGED, Judgement
from app.geometry.masks import Masks
from app.geometry.prompts import Prompts
from app.geometry.windows import Window, WindowGrid, WindowImage


@dataclass(frozen=True, slots=True)
class Slide:
    """One whole-slide image: an ``ImageInstance`` of the platform."""

    id: int
    width: int
    """Level-0 pixels."""
    height: int
    path: str
    """The image server's name for its file."""
    bits_per_sample: int = 8
    has_planes: bool = False
    """Whether it has several channels, depths or times."""
    has_channels: bool = False
    """Whether it has several channels; the colours of an RGB channel do not count."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a slide that has several, by the image server's indices."""

    channel: int | None = None
    """None if there is only one: for an RGB slide, the image server would take a number as one of the colours."""
    z: int = 0
    t: int = 0


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation as it was read."""

    id: int
    location: str
    """WKT, platform frame."""
    slide_id: int
    slice_id: int | None
    user_id: int
    """The owner."""
    term_ids: frozenset[int]
    updated: str | None
    """The platform's time of the last change; opaque, only compared."""
    record: dict[str, object] = field(repr=False)
    """The platform's whole record; opaque, sent back when the location is written."""


@dataclass(frozen=True, slots=True)
class PointAnnotation:
    """A Point annotation that may be a prompt."""

    id: int
    x: float
    """Platform frame, level-0 pixels."""
    y: float
    user_id: int
    """The owner."""
    term_ids: frozenset[int]
    is_bare: bool
    """Whether the list could be understood and shows nothing attached to the point except terms."""
    domain: str
    """The platform's class of the annotation, needed to ask what else is attached to it."""
    updated: str | None = None
    """The platform's time of the last change; opaque, only compared."""
    slice_id: int | None = None
    """The plane that it lies on."""
    slide_id: int = 0
    """The slide that it was listed for."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How the platform stored a new location."""

    location: str
    """WKT, platform frame, as stored; empty if the platform did not say."""
    command: int | None
    """The handle of the platform's undo."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A Cytomine token, as its user sent it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """A user's API keys."""

    public: str
    private: str = field(repr=False)


Credentials = BearerToken | ApiKeys


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who makes a request, with the credentials for the platform."""

    user_id: int
    credentials: Credentials


class Identities(Protocol):
    """The platform's users. Every method may raise the leaves of `PlatformError`."""

    def identify(self, credentials: Credentials) -> Caller:
        """Say whose credentials these are."""
        ...

    def keys_of(self, public_key: str) -> ApiKeys | None:
        """Look up a user's keys with the service account's rights; None if nobody has this key."""
        ...


class SlideGateway(Protocol):
    """The platform's Core. Every method may raise the leaves of `PlatformError`."""

    def caller(self) -> int | None:
        """Return the caller's id; None if a service account acts for an unknown user."""
        ...

    def annotation(self, annotation_id: int) -> Annotation:
        """Read an annotation; raises `AnnotationNotFound`."""
        ...

    def slide(self, slide_id: int) -> Slide:
        """Read a slide; raises `SlideNotFound`, or `SlideNotReadable` if its size or file is missing."""
        ...

    def plane(self, slide: Slide, slice_id: int | None) -> Plane:
        """Return the plane of the slide on which an annotation lies."""
        ...

    def points_in(self, slide: Slide, user_id: int, roi: Roi) -> Sequence[PointAnnotation]:
        """List the user's Point annotations in a box of the slide frame, the border included."""
        ...

    def is_plain(self, point: PointAnnotation) -> bool:
        """Whether a point exists and nothing is attached to it that the list of points does not show.

        Anything that cannot be understood counts as attached.
        """
        ...

    def is_as_read(self, slide: Slide, point: PointAnnotation) -> bool:
        """Whether a point is still as it was listed, and plain."""
        ...

    def store_location(self, annotation: Annotation, location: str) -> Stored:
        """Write a new location (WKT, platform frame) over an annotation; the only write before a deletion."""
        ...

    def delete(self, annotation_id: int) -> int | None:
        """Delete an annotation; returns the handle of the platform's undo."""
        ...

    def put_property(self, annotation_id: int, key: str, value: str) -> int | None:
        """Set a property of an annotation, replacing one with the same key; returns the handle of the undo."""
        ...


class Embedding(Protocol):
    """The encoder's output for one window: an opaque, immutable value of the segmenter."""

    @property
    def nbytes(self) -> int:
        """Its memory, bytes."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """An encoded window with everything the decoder needs."""

    window: Window
    embedding: Embedding
    grid: WindowGrid
    shape: tuple[int, int]
    """(rows, columns) of the array that was encoded."""
    glance: Glance | None = None
    """A summary of its pixels; None if they were not examined."""


class EmbeddingStore(Protocol):
    """Embeddings that outlive the process or come from other replicas. It never fails: a lost one is just not there."""

    def windows(self, slide: Slide, plane: Plane) -> Sequence[Window]:
        """List the stored windows of a slide."""
        ...

    def read(self, slide: Slide, plane: Plane, window: Window) -> EncodedWindow | None:
        """Return a window, if it is still stored."""
        ...

    def write(self, slide: Slide, plane: Plane, encoded: EncodedWindow) -> None:
        """Store a window; it is available some time after this call."""
        ...

    def close(self) -> None:
        """Finish pending writes."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model that gave a result."""

    name: str
    origin: str
    """configured, pulled or embedded."""
    sha256: str
    precision: str
    device: str
    engine: str = "torch"
    """The software that runs the encoder."""
    judgement: Judgement = UNJUDGED
    """How to judge its masks."""


def _stays() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Claim:
    """Who waits for the model, how urgently, and for how long."""

    user: Hashable = None
    """Users take turns; None counts as one user."""
    ahead: bool = False
    """Work ahead of a click, done while no click waits."""
    deadline: float = math.inf
    """Monotonic clock, seconds: a later result is useless."""
    given_up: Callable[[], bool] = _stays
    """Whether nobody waits any more, for example because the client has left."""

    @property
    def stands(self) -> bool:
        """Whether the result is still wanted."""
        return time.monotonic() <= self.deadline and not self.given_up()

    def check(self) -> None:
        """Raise `CallerGone` or `ModelBusy` if the result is no longer wanted."""
        if self.given_up():
            raise CallerGone("The caller went away; nothing was written.")
        if time.monotonic() > self.deadline:
            raise ModelBusy("It took too long; nothing was written.", retry_after_s=5.0)


class WindowReader(Protocol):
    """The image server, seen through `app.imagery`."""

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        """Read a window as an RGB square of at most about `side_px`; the claim limits the time."""
        ...


class CropReader(WindowReader, Protocol):
    """Pixels that came with the request: a single window at its place on the slide."""

    def plan(self, roi: Roi, slide_width: int, slide_height: int) -> Window:
        """Return that window for any box."""
        ...


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """How busy the encoder is."""

    waiting: int
    running: int
    oldest_s: float
    """Waiting time of the first request in the queue, seconds."""
    device_bytes: int = 0
    """GPU memory in use."""
    windows: int = 0
    """Windows encoded since the start."""
    batches: int = 0
    """Batches encoded since the start."""


class Segmenter(Protocol):
    """The model. It keeps no current image, so any number of requests may use it at once."""

    @property
    def info(self) -> ModelInfo:
        """The model that runs here."""
        ...

    @property
    def input_side_px(self) -> int:
        """Side of the square that the encoder sees; larger windows are not worth reading."""
        ...

    @property
    def load(self) -> QueueLoad:
        """The state of the encoder's queue."""
        ...

    def place(self, claim: Claim) -> AbstractContextManager[Callable[[WindowImage], Embedding]]:
        """Take a place in the encoder's queue before the window is read, because reading also costs time.

        Returns a function that encodes the window when it is the claim's turn. Both raise the leaves of `ModelError`;
        leaving the block releases an unused place.
        """
        ...

    def encode(self, image: WindowImage, claim: Claim) -> Embedding:
        """Take a place and use it at once; raises the leaves of `ModelError`."""
        ...

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Run the prompt encoder and the mask decoder; raises the leaves of `ModelError`."""
        ...

    def decode_each(self, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Masks]:
        """Decode several objects in one window, each with its own prompts; raises the leaves of `ModelError`."""
        ...

    def features(self, embedding: Embedding) -> npt.NDArray[np.float32]:
        """Return the encoder's features for comparing places: (c, h, w) float32 over the whole window."""
        ...

    def warm_up(self) -> None:
        """Run once, so that the first user does not wait for lazy initialisation."""
        ...

    def close(self) -> None:
        """Stop background work."""
        ...
