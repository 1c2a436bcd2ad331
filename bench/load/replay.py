"""Plays sessions against a platform and the service beside it, over HTTP, and notes every request.

It runs in processes of its own: the platform's threads and the service's must not make it late. How late it was all the
same is in every note.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, field
from typing import Any

import httpx
import numpy as np
import shapely

from bench.load.arrivals import poisson
from bench.load.notes import Kind, Note, Told
from bench.load.people import AddPoint, Draw, Habits, Place, Prefetch, Refine, Step, Think, session
from demo.seeding import platform_wkt

_TIMEOUT_S = 90.0
_START_IN_S = 2.0
"""Until the processes of the generator are there."""
_AWAY_S = 0.5
"""Whoever got no answer tries again after this time."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who comes, when, and where to. Crosses into other processes."""

    core_url: str
    service_url: str
    tokens: tuple[str, ...] = field(repr=False)
    """Of the people, who take turns if there are more sessions than people."""
    slides: tuple[Place, ...]
    habits: Habits
    seconds: float
    """Nobody draws another box later."""
    per_second: float = 0.0
    """Sessions that begin in a second: an open load."""
    users: int = 0
    """People who are there from the start: a closed load."""
    patience: int = 2
    """How often whoever is turned away comes back, when the service says."""
    drain_s: float = 30.0
    """What is still under way so long after the end is given up."""
    seed: int = 0

    def arrivals(self) -> list[float]:
        """Give the moments at which the sessions begin, seconds from the start."""
        come = poisson(np.random.default_rng((self.seed, 1)), self.per_second, self.seconds).tolist()
        return [*np.linspace(0, min(1.0, self.seconds / 2), self.users).tolist(), *come]


def replay(crowd: Crowd, processes: int = 1, meanwhile: Callable[[float], None] | None = None) -> list[Note]:
    """Play all sessions of a crowd; gives the notes by the moment of the wish.

    Parameters
    ----------
    processes : int
        Sessions are dealt to so many processes.
    meanwhile : callable, optional
        Called in this process once everybody is there, with the start on the monotonic clock.
    """
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_is_there, range(processes)))
        start = time.monotonic() + _START_IN_S
        parts = [pool.submit(_play, crowd, start, part, processes) for part in range(processes)]
        if meanwhile:
            meanwhile(start)
        notes = [note for part in parts for note in part.result()]
    return sorted(notes, key=lambda note: note.wished_s)


def _is_there(_: int) -> None:
    """Have a process import what it needs before the clock runs."""
    time.sleep(0.2)


def _play(crowd: Crowd, start: float, part: int, parts: int) -> list[Note]:
    return asyncio.run(_Stage(crowd, start).play(part, parts))


class _Stage:
    """One process of the generator."""

    def __init__(self, crowd: Crowd, start: float) -> None:
        self._crowd = crowd
        self._start = start
        self._notes: list[Note] = []
        self._background: set[asyncio.Task[None]] = set()

    async def play(self, part: int, parts: int) -> list[Note]:
        sessions = list(enumerate(self._crowd.arrivals()))[part::parts]
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False) as client:
            people = [asyncio.create_task(self._come(client, number, at)) for number, at in sessions]
            if people:
                _, late = await asyncio.wait(people, timeout=self._crowd.seconds + self._crowd.drain_s - self.now)
                for person in late:
                    person.cancel()
                for ended in await asyncio.gather(*people, *self._background, return_exceptions=True):
                    if isinstance(ended, Exception):
                        raise ended
        return self._notes

    @property
    def now(self) -> float:
        return time.monotonic() - self._start

    async def _come(self, client: httpx.AsyncClient, number: int, at_s: float) -> None:
        rng = np.random.default_rng((self._crowd.seed, 2, number))
        person = _Person(self, client, number, at_s)
        for step in session(rng, self._crowd.habits, self._crowd.slides):
            if isinstance(step, Draw) and person.at_s >= self._crowd.seconds:
                return
            await person.do(step)

    async def wait_until(self, moment_s: float) -> None:
        await asyncio.sleep(max(0.0, moment_s - self.now))

    def note(self, note: Note) -> None:
        self._notes.append(note)

    def in_background(self, asking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(asking)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @property
    def crowd(self) -> Crowd:
        return self._crowd


class _Person:
    """Somebody at the screen: where they are in time, and what they have drawn."""

    def __init__(self, stage: _Stage, client: httpx.AsyncClient, number: int, at_s: float) -> None:
        self._stage = stage
        self._client = client
        self._number = number
        self.at_s = at_s
        """The moment up to which the person has got; the next wish comes then, however late this process is."""
        self._drawn: Draw | None = None
        self._annotation = 0
        tokens = stage.crowd.tokens
        self._headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}", "Accept": "application/json"}

    async def do(self, step: Step) -> None:
        if isinstance(step, Think):
            self.at_s += step.seconds
            return
        if isinstance(step, Draw):
            self._drawn, self._annotation = step, await self._put("draw", step, shapely.box(*astuple(step.box)))
        elif self._annotation and self._drawn:
            await self._go_on(self._drawn, step)

    async def _go_on(self, drawn: Draw, step: Step) -> None:
        service, number = f"{self._stage.crowd.service_url}/sam", self._annotation
        if isinstance(step, AddPoint):
            await self._put("point", drawn, shapely.Point(step.x, step.y))
        elif isinstance(step, Prefetch):
            self._stage.in_background(self._prefetch(f"{service}/embeddings", number, self.at_s))
        elif isinstance(step, Refine):
            note = await self._ask("refine", f"{service}/annotations/{number}/refine", {}, number)
            if not note.accepted:
                self._annotation = 0  # they leave this one as it is

    async def _put(self, kind: Kind, drawn: Draw, shape: shapely.Geometry) -> int:
        """Draw through Core, as the page does; gives the number of what was drawn, 0 if Core refused."""
        body = {"image": drawn.slide.id, "location": platform_wkt(shape, drawn.slide.height)}
        return (await self._ask(kind, f"{self._stage.crowd.core_url}/api/annotation.json", body, 0)).annotation

    async def _prefetch(self, url: str, about: int, at_s: float) -> None:
        """Let the service prepare a box; the page asks for it, and the person goes on meanwhile."""
        sent_s = self._stage.now
        answer = await self._sent(url, {"annotation_id": about})
        moments = (at_s, at_s, sent_s, self._stage.now)
        self._stage.note(_note("prefetch", self._number, about, 0, moments, answer))

    async def _ask(self, kind: Kind, url: str, body: dict[str, Any], about: int) -> Note:
        """Send a request at its moment, and again when told; gives the note of the last attempt."""
        wished_s = due_s = self.at_s
        for attempt in itertools.count():
            await self._stage.wait_until(due_s)
            sent_s = self._stage.now
            answer = await self._sent(url, body)
            done_s = self._stage.now
            note = _note(kind, self._number, about, attempt, (wished_s, due_s, sent_s, done_s), answer)
            self._stage.note(note)
            if note.accepted or not _may_pass(note) or attempt >= self._stage.crowd.patience:
                break
            due_s = done_s + (note.retry_after_s or _AWAY_S)
        self.at_s = note.done_s
        return note

    async def _sent(self, url: str, body: dict[str, Any]) -> httpx.Response | None:
        try:
            return await self._client.post(url, json=body, headers=self._headers)
        except httpx.TransportError:
            return None


def _may_pass(note: Note) -> bool:
    """Whether trying again later makes sense."""
    return note.status in {0, 429, 502, 503, 504, 500}


def _note(
    kind: Kind,
    number: int,
    about: int,
    attempt: int,
    moments: tuple[float, float, float, float],
    answer: httpx.Response | None,
) -> Note:
    if answer is None:
        return Note(kind, number, about, attempt, *moments, 0)
    later = answer.headers.get("Retry-After")
    told = None
    if answer.status_code == 200 and kind in {"draw", "point"}:
        about = int(answer.json()["annotation"]["id"])
    elif answer.status_code == 200 and kind == "refine":
        told = _told(answer.json())
    return Note(kind, number, about, attempt, *moments, answer.status_code, float(later) if later else None, told)


def _told(body: dict[str, Any]) -> Told:
    window = body["window"]
    return Told(
        annotation=body["annotation_id"],
        changed=body["changed"],
        location=body["location"],
        previous_location=body["previous_location"],
        points_deleted=tuple(body["points_deleted"]),
        command=body["command"],
        window=(window["x"], window["y"], window["width"], window["height"]),
        timings_ms=body["timings_ms"],
    )


def accepted_per_second(notes: Sequence[Note], kind: Kind, start_s: float, end_s: float) -> float:
    """Count what was done in a time, over that time."""
    done = sum(note.accepted and note.kind == kind and start_s <= note.done_s < end_s for note in notes)
    return done / (end_s - start_s) if end_s > start_s else math.nan
