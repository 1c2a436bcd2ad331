"""Objects that the service proposes in a region: the query, and the proposals as they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from cytomine_refine.answers import RefineFailed, problem_in
from cytomine_refine.wkt import read_wkt, shape_of

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_NO_ANSWER = "This is not an answer from the refine service"


class Wishes(TypedDict, total=False):
    """Options of a search."""

    like: Sequence[int]
    """Annotations on the same image: only objects similar to them are proposed."""
    unlike: Sequence[int]
    """Counter-examples."""
    limit: int
    """The most proposals."""
    min_confidence: float
    detail: int | None
    """Most vertices of an outline."""
    outline: Literal["smooth", "thesis"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An outline that you may accept; nothing is written yet."""

    image_id: int
    number: int
    location: str
    """WKT, platform frame (origin bottom left, level-0 pixels)."""
    score: float
    """Predicted IoU."""
    confidence: float | None
    """None if the checkpoint has no calibration."""
    likeness: float | None
    """Similarity to the exemplars, 0 to 1; None without exemplars."""
    area_px0: float
    tile: int
    """Number of the tile in which it was found, from 1."""
    tiles: int
    doubts: tuple[str, ...] = ()

    @classmethod
    def of(cls, image_id: int, line: Mapping[str, Any]) -> Self:
        """Read a line from the service; raises `RefineFailed`."""
        try:
            told = line["properties"]
            return cls(
                image_id=image_id,
                number=int(told["proposal"]),
                location=shape_of(line["geometry"]).wkt,
                score=float(told["score"]),
                confidence=told.get("confidence"),
                likeness=told.get("likeness"),
                area_px0=float(told["area_px0"]),
                tile=int(told["tile"]),
                tiles=int(told["tiles"]),
                doubts=tuple(told.get("doubts") or ()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RefineFailed(200, _NO_ANSWER, f"{type(error).__name__} {error}") from error


@dataclass(frozen=True, slots=True)
class Ended:
    """How a search ended."""

    proposals: int
    tiles: int
    """Number of tiles searched."""
    stopped: str | None
    """``limit`` or ``deadline`` if it ended early."""
    timings_ms: Mapping[str, float]
    tiles_empty: int = 0
    """Number of tiles left out because they show only glass."""
    tiles_left: int = 0
    """Number of tiles not searched because it ended early; 0 from older services."""


class Proposals:
    """Proposals as they arrive, the best first within each tile; leaving the loop early ends the search.

    Also a context manager: leaving it closes the connection. After the last proposal, `ended` is set.
    """

    def __init__(self, image_id: int, lines: Iterator[str]) -> None:
        self.ended: Ended | None = None
        self._image_id, self._lines = image_id, lines

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Proposal:
        """Wait for the next proposal; raises `RefineFailed`, also if the search stopped early."""
        while self.ended is None:
            line = next(self._lines, None)
            if line is None:
                raise RefineFailed(0, "The search stopped early", "the connection was closed before its end")
            if not line.strip():
                continue
            told = _read_line(line)
            if "done" not in told:
                return Proposal.of(self._image_id, told)
            self.ended = _read_end(told)
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the search."""
        close = getattr(self._lines, "close", None)
        if close is not None:
            close()


def question_of(region: str | int, image_id: int, wishes: Wishes, *, to_core: bool) -> dict[str, Any]:
    """Give what is sent.

    Parameters
    ----------
    region : str or int
        WKT in the platform frame, or the id of an annotation.

    Raises
    ------
    TypeError
        There is no such option.
    ValueError
        The region is no WKT.
    """
    unknown = wishes.keys() - Wishes.__annotations__.keys()
    if unknown:
        raise TypeError(f"There is no option {', '.join(sorted(unknown))}.")
    given: dict[str, Any] = {name: value for name, value in wishes.items() if value not in (None, (), [])}
    if isinstance(region, int):
        given["annotation_id"] = region
    else:
        given["geometry"] = {"type": "Feature", "properties": {}, "geometry": read_wkt(region).geojson}
    return given if to_core else {"image_id": image_id, **given}


def box_wkt(x_min: float, y_min: float, x_max: float, y_max: float) -> str:
    """Give a box as WKT."""
    corners: Iterable[tuple[float, float]] = ((x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max))
    places = [f"{x:.17g} {y:.17g}" for x, y in corners]
    return f"POLYGON (({', '.join([*places, places[0]])}))"


def _read_line(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise RefineFailed(200, _NO_ANSWER) from error
    if not isinstance(told, dict):
        raise RefineFailed(200, _NO_ANSWER)
    return told


def _read_end(told: Mapping[str, Any]) -> Ended:
    """Read the last line; raises `RefineFailed` where it tells of a problem."""
    if not told["done"]:
        raise problem_in(told.get("problem"))
    try:
        return Ended(
            proposals=int(told["proposals"]),
            tiles=int(told["tiles"]),
            stopped=told.get("stopped"),
            timings_ms=told.get("timings_ms") or {},
            tiles_empty=int(told.get("tiles_empty", 0)),
            tiles_left=int(told.get("tiles_left", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RefineFailed(200, _NO_ANSWER) from error
