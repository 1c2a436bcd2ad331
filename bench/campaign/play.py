"""Plays one trial and gathers the evidence: every answer, every write that Core recorded, and what is left."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.campaign.trial import READS, PlannedFault, PlannedMeddling, PlannedRequest, Trial
from bench.campaign.world import DISCS, World, box_around
from bench.recorded import Command, commands_of
from demo.cytomine.faults import Fault, SeenRequest

_SLOW_S = 1.2
_DRIP_S = 0.02


@dataclass(frozen=True, slots=True)
class Point:
    """A point that somebody drew."""

    id: int
    kind: str
    owner: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request ended; status 0: the connection broke."""

    request: PlannedRequest
    status: int
    body: dict[str, Any]
    media_type: str
    began: float
    """On the monotonic clock, seconds."""
    ended: float


@dataclass
class Evidence:
    """All that is known of a trial."""

    trial: Trial
    annotation: int
    drawn: str
    points: list[Point]
    meddled: list[tuple[str, int, float]] = field(default_factory=list)
    """What, on which annotation, and when."""
    answers: list[Answer] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    calls: list[SeenRequest] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)
    """Locations at the end."""
    users: dict[str, int] = field(default_factory=dict)
    killed: bool = False


def play(world: World, trial: Trial) -> Evidence:
    """Play a trial on an empty image."""
    world.replicas.revive()
    world.clear()
    evidence = _drawn(world, trial)
    last = _last_command(world)
    _set_traps(world, trial, evidence)
    with ThreadPoolExecutor(len(trial.requests)) as pool:
        together = threading.Barrier(len(trial.requests))
        asked = [pool.submit(_ask, world, evidence.annotation, each, together) for each in trial.requests]
        evidence.answers = [each.result() for each in asked]
    _settle(world)
    evidence.commands = commands_of(world.cytomine.store, last)
    evidence.calls = list(world.cytomine.faults.requests)
    everything = world.cytomine.store.annotation_ids(world.image)
    evidence.left = {number: world.cytomine.store.location(number) or "" for number in everything}
    return evidence


def _drawn(world: World, trial: Trial) -> Evidence:
    store = world.cytomine.store
    users = {name: user.id for name, user in world.people.items()}
    shape = box_around(trial.disc, trial.dx, trial.dy).wkt
    annotation = store.add_annotation(world.image, users[trial.owner], shape, terms=(world.terms[0],))
    points = []
    x, y = DISCS[trial.disc]
    for planned in trial.points:
        away = 300.0 if planned.kind == "outside" else 0.0
        place = f"POINT ({x + planned.dx + away} {y + planned.dy})"
        terms = (world.terms[1],) if planned.kind == "other term" else ()
        number = store.add_annotation(world.image, users[planned.owner], place, terms=terms)
        world.hang(planned.kind, number, users[planned.owner])
        points.append(Point(number, planned.kind, users[planned.owner]))
    return Evidence(trial, annotation, shape, points, users=users)


def _set_traps(world: World, trial: Trial, evidence: Evidence) -> None:
    faults = world.cytomine.faults
    if trial.meddling:
        faults.add(_meddler(world, trial.meddling, evidence))
    for planned in trial.faults:
        faults.add(_fault(planned))
    if trial.kill:
        method, skip = trial.kill

        def kill() -> None:
            evidence.killed = True
            world.replicas.kill(0)

        faults.add(Fault("slow", method=method, path="/api/", skip=skip, hook=kill))


def _fault(planned: PlannedFault) -> Fault:
    seconds = _DRIP_S if planned.kind == "drip" else _SLOW_S
    return Fault(
        planned.kind,
        planned.method,
        planned.path,
        planned.when,
        skip=planned.skip,
        status=planned.status,
        seconds=seconds,
        seed=planned.seed,
    )


def _meddler(world: World, planned: PlannedMeddling, evidence: Evidence) -> Fault:
    store, trial = world.cytomine.store, evidence.trial

    def meddle() -> None:
        subject = evidence.annotation
        if planned.kind == "move shape":
            store.set_location(subject, box_around(trial.elsewhere).wkt)
        elif planned.kind == "delete shape":
            store.remove(subject)
        elif not evidence.points:
            return
        else:
            subject = evidence.points[planned.point % len(evidence.points)].id
            if store.location(subject) is None:
                return
            if planned.kind == "move point":
                x, y = DISCS[trial.elsewhere]
                store.set_location(subject, f"POINT ({x} {y})")
            elif planned.kind == "delete point":
                store.remove(subject)
            else:
                store.add_property(subject, "counted", "yes")
        evidence.meddled.append((planned.kind, subject, time.monotonic()))

    return Fault("slow", method="GET|POST", path=READS, skip=planned.skip, hook=meddle)


def _ask(world: World, annotation: int, request: PlannedRequest, together: threading.Barrier) -> Answer:
    together.wait()
    began = time.monotonic()
    try:
        answer = world.ask(request.who, annotation, request.options, request.replica)
    except httpx.TransportError:
        return Answer(request, 0, {}, "", began, time.monotonic())
    try:
        body = answer.json()
    except json.JSONDecodeError:
        body = {}
    media_type = answer.headers.get("content-type", "")
    return Answer(request, answer.status_code, body, media_type, began, time.monotonic())


def _settle(world: World) -> None:
    """Wait until nothing of the trial is on its way to Core any more, also of answers that nobody waited for."""
    give_up, calm = time.monotonic() + 20.0, 0
    while calm < 3 and time.monotonic() < give_up:
        calm = calm + 1 if not world.cytomine.faults.under_way else 0
        time.sleep(0.02)


def _last_command(world: World) -> int:
    with world.cytomine.store.transaction() as db:
        return int(db.execute("SELECT coalesce(max(id), 0) FROM commands").fetchone()[0])
