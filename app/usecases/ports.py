"""The doors of the use cases: what they need from the platform, the image server and the model.

The rooms satisfy these Protocols by shape; ``app.main`` plugs them in. Values that cross a door are frozen.
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
    """What the image server calls its file."""
    bits_per_sample: int = 8
    has_planes: bool = False
    """Whether it has several channels, depths or times."""
    has_channels: bool = False
    """Whether it has several channels; the colours of one RGB channel are none."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of a slide that has several, by the image server's indices."""

    channel: int | None = None
    """None where there is one only: of an RGB slide, the image server would take a number for one of the colours."""
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
    """Everything the platform said of it; opaque, handed back when the location is written."""


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
    """Whether the list that it comes from is understood, and shows nothing that hangs on it but terms."""
    domain: str
    """The platform's class of the annotation, needed to ask for what else it carries."""
    updated: str | None = None
    """The platform's time of the last change; opaque, only compared."""
    slice_id: int | None = None
    """The plane that it lies on."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the platform made of a new location."""

    location: str
    """WKT, platform frame, as stored; empty if the platform did not tell."""
    command: int | None
    """The handle of the platform's undo."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token of the platform, as its user sent it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """A user's keys of the platform."""

    public: str
    private: str = field(repr=False)


Credentials = BearerToken | ApiKeys


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who asks, and what the platform knows them by."""

    user_id: int
    credentials: Credentials


class Identities(Protocol):
    """The platform's users. Every method may raise the leaves of `PlatformError`."""

    def identify(self, credentials: Credentials) -> Caller:
        """Tell whose credentials these are."""
        ...

    def keys_of(self, public_key: str) -> ApiKeys | None:
        """Look the keys of a user up, with the service account's rights; None where nobody has this key."""
        ...


class SlideGateway(Protocol):
    """The platform's Core. Every method may raise the leaves of `PlatformError`."""

    def caller(self) -> int | None:
        """Tell who asks, by id; None where a service account acts for somebody unknown."""
        ...

    def annotation(self, annotation_id: int) -> Annotation:
        """Read an annotation; raises `AnnotationNotFound`."""
        ...

    def slide(self, slide_id: int) -> Slide:
        """Read a slide; raises `SlideNotFound`, or `SlideNotReadable` where size or file are missing."""
        ...

    def plane(self, slide: Slide, slice_id: int | None) -> Plane:
        """Tell which plane of the slide an annotation lies on."""
        ...

    def points_in(self, slide: Slide, user_id: int, roi: Roi) -> Sequence[PointAnnotation]:
        """List the user's Point annotations in a box of the slide frame, the border included."""
        ...

    def is_plain(self, point: PointAnnotation) -> bool:
        """Whether a point is there and nothing hangs on it that the list of points does not show.

        What is not understood is something.
        """
        ...

    def is_as_read(self, slide: Slide, point: PointAnnotation) -> bool:
        """Whether a point is there as it was listed, and still plain."""
        ...

    def store_location(self, annotation: Annotation, location: str) -> Stored:
        """Write a new location (WKT, platform frame) over an annotation; the only write before a deletion."""
        ...

    def delete(self, annotation_id: int) -> int | None:
        """Delete an annotation; gives the handle of the platform's undo."""
        ...

    def put_property(self, annotation_id: int, key: str, value: str) -> int | None:
        """Hang a text on an annotation, in place of what hangs there under the key; gives the handle of the undo."""
        ...


class Embedding(Protocol):
    """The encoder's output for one window: an opaque, immutable value of the segmenter."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """A window as the decoder needs it."""

    window: Window
    embedding: Embedding
    grid: WindowGrid
    shape: tuple[int, int]
    """(rows, columns) of the array that was encoded."""
    glance: Glance | None = None
    """At its pixels; None where they were not looked at."""


class EmbeddingStore(Protocol):
    """Embeddings that outlive the process, and that other replicas made. It never fails: what it lost was not there."""

    def windows(self, slide: Slide, plane: Plane) -> Sequence[Window]:
        """List the windows of a slide that are here."""
        ...

    def read(self, slide: Slide, plane: Plane, window: Window) -> EncodedWindow | None:
        """Give a window back, if it is still here."""
        ...

    def write(self, slide: Slide, plane: Plane, encoded: EncodedWindow) -> None:
        """Keep a window; it is here some time after this call."""
        ...

    def close(self) -> None:
        """Finish what is being written."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model gave a result."""

    name: str
    origin: str
    """configured, pulled or embedded."""
    sha256: str
    precision: str
    device: str
    engine: str = "torch"
    """What runs the encoder."""
    judgement: Judgement = UNJUDGED
    """How to judge its masks."""


def _stays() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Claim:
    """Who waits for the model, how urgently, and for how long."""

    user: Hashable = None
    """Users take turns; None is one more of them."""
    ahead: bool = False
    """Work ahead of a click, done while no click waits."""
    deadline: float = math.inf
    """On the monotonic clock, seconds: a result after it is worth nothing."""
    given_up: Callable[[], bool] = _stays
    """Whether nobody waits any more, for instance because the client went away."""

    @property
    def stands(self) -> bool:
        """Whether the result is still wanted."""
        return time.monotonic() <= self.deadline and not self.given_up()

    def check(self) -> None:
        """Raise `CallerGone` or `ModelBusy` once the result is not wanted any more."""
        if self.given_up():
            raise CallerGone("The caller went away; nothing was written.")
        if time.monotonic() > self.deadline:
            raise ModelBusy("It took too long; nothing was written.", retry_after_s=5.0)


class WindowReader(Protocol):
    """The image server, seen through `app.imagery`."""

    def read(self, slide: Slide, plane: Plane, window: Window, side_px: int, claim: Claim = Claim()) -> WindowImage:
        """Read a window as an RGB square of at most about `side_px`; the claim tells how long it may take."""
        ...


class CropReader(WindowReader, Protocol):
    """Pixels that came with the request: one window, which lies where it was cut."""

    def plan(self, roi: Roi, slide_width: int, slide_height: int) -> Window:
        """Give the window, whatever the box."""
        ...


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """How busy the encoder is."""

    waiting: int
    running: int
    oldest_s: float
    """How long the first in line has waited."""
    device_bytes: int = 0
    """Memory taken on a GPU."""
    windows: int = 0
    """Encoded since the start."""
    batches: int = 0
    """In which they were encoded."""


class Segmenter(Protocol):
    """The model. It keeps no current image: any number of requests may meet in it."""

    @property
    def info(self) -> ModelInfo:
        """Which model runs here."""
        ...

    @property
    def input_side_px(self) -> int:
        """Side of the square that the encoder sees; larger windows are not worth reading."""
        ...

    @property
    def load(self) -> QueueLoad:
        """How long the line in front of the encoder is."""
        ...

    def place(self, claim: Claim) -> AbstractContextManager[Callable[[WindowImage], Embedding]]:
        """Take a place in the encoder's line before the window is read, since reading is not free either.

        Gives what encodes the window when the claim's turn comes. Both raise the leaves of `ModelError`; leaving the
        block gives back a place that was not used.
        """
        ...

    def encode(self, image: WindowImage, claim: Claim) -> Embedding:
        """Take a place and use it at once; raises the leaves of `ModelError`."""
        ...

    def decode(self, embedding: Embedding, prompts: Prompts) -> Masks:
        """Run the prompt encoder and the mask decoder; raises the leaves of `ModelError`."""
        ...

    def decode_each(self, embedding: Embedding, prompts: Sequence[Prompts]) -> list[Masks]:
        """Decode several objects of one window, each by its own prompts; raises the leaves of `ModelError`."""
        ...

    def features(self, embedding: Embedding) -> npt.NDArray[np.float32]:
        """Give what the encoder saw, to compare places by: (c, h, w) float32 over the whole window."""
        ...

    def warm_up(self) -> None:
        """Run once, so that the first user does not wait for what is made lazily."""
        ...

    def close(self) -> None:
        """End what runs in the background."""
        ...
