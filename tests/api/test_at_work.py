"""Another model takes the place of the one at work: requests that have begun keep theirs."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from app.api.at_work import AtWork
from app.main import working_with
from app.settings import Settings
from app.usecases.ports import ModelInfo
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.refinement import Refinement
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway


@dataclass
class Named(DarkSegmenter):
    """Tells its weights apart."""

    sha256: str = ""

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("dark", "configured", self.sha256, "float32", "cpu")


@dataclass
class Gate(DiscReader):
    """Lets a window through when it is opened."""

    def __post_init__(self) -> None:
        self.asked, self.opened = threading.Event(), threading.Event()

    def read(self, *arguments: object, **more: object) -> object:  # type: ignore[override]
        self.asked.set()
        assert self.opened.wait(10)
        return super().read(*arguments, **more)  # type: ignore[arg-type]


def test_a_request_that_has_begun_keeps_its_model(settings: Settings, gateway: FakeGateway) -> None:
    old, new, gate = Named(sha256="old"), Named(sha256="new"), Gate()
    at_work = AtWork(working_with(settings, gate, old, None), kept_s=0.01)
    done: list[Refinement] = []
    verb = RefineAnnotation(gateway, at_work.now.segment, 20)
    thread = threading.Thread(target=lambda: done.append(verb(7, RefineOptions(dry_run=True))))
    thread.start()
    assert gate.asked.wait(10)
    at_work.replace(working_with(settings, gate, new, None))
    assert at_work.info.sha256 == "new"
    gate.opened.set()
    thread.join()
    assert done[0].model.sha256 == "old"
    assert (old.encoded, new.encoded) == (1, 0)
    again = RefineAnnotation(gateway, at_work.now.segment, 20)(7, RefineOptions(dry_run=True))
    assert again.model.sha256 == "new"
    assert new.encoded == 1  # the embedding of the other weights is not given to it
    assert at_work.given["encoder"] == 1
    assert at_work.kept_bytes > 0
    at_work.close()
    assert new.closed
    assert old.closed


def test_the_model_before_goes_when_no_request_can_use_it(settings: Settings, reader: DiscReader) -> None:
    gone = threading.Event()

    class Leaving(Named):
        def close(self) -> None:
            gone.set()

    at_work = AtWork(working_with(settings, reader, Leaving(), None), kept_s=0.01)
    at_work.replace(working_with(settings, reader, Named(sha256="new"), None))
    assert gone.wait(10)
    at_work.close()


def test_closing_ends_those_that_are_still_kept(settings: Settings, reader: DiscReader) -> None:
    models = [Named(sha256=str(number)) for number in range(3)]
    at_work = AtWork(working_with(settings, reader, models[0], None), kept_s=3600)
    for model in models[1:]:
        at_work.replace(working_with(settings, reader, model, None))
    assert at_work.load.waiting == 0
    assert not models[0].closed
    at_work.close()
    assert all(model.closed for model in models)


def test_a_model_that_leaves_at_the_same_moment_twice_is_closed_once(settings: Settings, reader: DiscReader) -> None:
    closed: list[int] = []

    class Counting(Named):
        def close(self) -> None:
            closed.append(1)

    at_work = AtWork(working_with(settings, reader, Counting(), None), kept_s=3600)
    at_work.replace(working_with(settings, reader, Named(sha256="new"), None))
    (timer,) = at_work._leaving
    timer.function()  # its time comes
    timer.function()  # and the service ends in the same moment
    at_work.close()
    assert closed == [1]


def test_how_often_it_looks_again_is_the_operators_to_say(settings: Settings) -> None:
    refine = settings.refine.model_copy(update={"most_looks": 1})
    wanted = settings.model_copy(update={"refine": refine})
    assert working_with(wanted, DiscReader(), Named(), None).segment.most_looks == 1
    assert working_with(settings, DiscReader(), Named(), None).segment.most_looks == 3
