"""The gate: what computes the same is let through, whatever the weights; what does not is refused, and told why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from app.errors import InvalidSettings
from app.geometry.windows import WindowImage
from app.segmenter.checkpoint import build_model, load_checkpoint
from app.segmenter.engines import measuring
from app.segmenter.engines.agreement import Agreement, Seen, agreement, seen, why_not_the_same
from app.segmenter.engines.measuring import measure, warmed
from app.segmenter.engines.names import ENGINES, needs
from app.segmenter.engines.tissue import Example, drawn_examples, drawn_tissue
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.usecases.ports import Claim, ModelInfo
from tests.fakes.rooms import DarkSegmenter

INFO = ModelInfo("any", "configured", "0" * 64, "float32", "cpu")


def trained() -> torch.nn.Module:
    return load_checkpoint(EMBEDDED_MODEL, "embedded")


def random() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("embedded").eval()


def noisy(model: torch.nn.Module, share: float) -> torch.nn.Module:
    """Move each weight of the encoder by so large a share of it: an engine that computes with so much error."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.image_encoder.parameters():  # type: ignore[union-attr]
            weight.mul_(1 + share * torch.randn(weight.shape, generator=generator))
    return model


@contextmanager
def run(model: torch.nn.Module, precision: torch.dtype = torch.float32) -> Iterator[Sam2Segmenter]:
    segmenter = Sam2Segmenter(TorchEngine(model, torch.device("cpu"), precision), INFO)
    yield segmenter
    segmenter.close()


def asked(model: torch.nn.Module, examples: list[Example], precision: torch.dtype = torch.float32) -> Seen:
    with run(model, precision) as segmenter:
        return seen(segmenter, examples)


def changed(examples: list[Example], change: Callable[[np.ndarray], np.ndarray]) -> list[Example]:
    return [
        Example(WindowImage(np.ascontiguousarray(change(each.window.pixels)), each.window.grid), each.prompts)
        for each in examples
    ]


def test_it_looks_at_enough_objects_to_mean_something() -> None:
    examples = drawn_examples(256)
    boxes = [each.box for example in examples for each in example.prompts if not each.labels]
    clicked = [each for example in examples for each in example.prompts if len(each.labels) == 2]
    assert len(boxes) == len(clicked) == 32
    assert all((box[1] > box[0]).all() and box.min() >= 0 and box.max() <= 256 for box in boxes)
    assert np.array_equal(drawn_tissue(3, 256).pixels, examples[3].window.pixels)  # the same at every start
    assert not np.array_equal(examples[0].window.pixels, examples[1].window.pixels)


@pytest.mark.parametrize("weights", [trained, random])
def test_bfloat16_is_let_through_and_swapped_channels_are_not(weights: Callable[[], torch.nn.Module]) -> None:
    """With trained weights and with random ones, whose torn masks differ in far more pixels for the same error."""
    examples = drawn_examples(256, 4)
    reference = asked(weights(), examples)
    bfloat16 = agreement(reference, asked(weights(), examples, torch.bfloat16))
    assert why_not_the_same(bfloat16) is None
    assert 0 < bfloat16.outline_px < 0.1
    swapped = agreement(reference, asked(weights(), changed(examples, lambda pixels: pixels[..., ::-1])))
    assert why_not_the_same(swapped) is not None
    assert swapped.outline_px > 1
    shifted = agreement(reference, asked(weights(), changed(examples, lambda pixels: np.roll(pixels, 4, 1))))
    assert why_not_the_same(shifted) is not None


def test_a_little_noise_is_let_through_and_much_is_not() -> None:
    examples = drawn_examples(256, 2)
    reference = asked(trained(), examples)
    little, much = (agreement(reference, asked(noisy(trained(), share), examples)) for share in (0.002, 0.2))
    assert little.iou < 1
    assert why_not_the_same(little) is None
    assert why_not_the_same(much) is not None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Agreement(0.998, 0.99, 0.1, 0.0), None),
        (Agreement(0.97, 0.96, 0.1, 0.0), "mean IoU of 0.9700"),
        (Agreement(0.99, 0.90, 0.1, 0.0), "one mask in twenty has an IoU below 0.9000"),
        (Agreement(0.99, 0.98, 0.5, 0.0), "outlines lie 0.50 px"),
        (Agreement(float("nan"), 0.98, 0.1, 0.0), "mean IoU of nan"),
    ],
)
def test_each_limit_counts(found: Agreement, reason: str | None) -> None:
    told = why_not_the_same(found)
    assert told is None if reason is None else reason in str(told)


class Blind(DarkSegmenter):
    """An engine that sees something else."""

    def decode(self, embedding, prompts):  # type: ignore[no-untyped-def]
        masks = super().decode(embedding, prompts)
        masks.logits[:] = np.roll(masks.logits, 40, axis=-1)
        return masks


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "HOPELESS", 1e9)  # these take no time worth measuring


def test_an_engine_that_sees_something_else_is_refused(patient: None) -> None:
    def load(engine: str):  # type: ignore[no-untyped-def]
        if engine == "openvino-bfloat16":
            raise InvalidSettings("cannot")
        return Blind() if engine == "torch-bfloat16" else DarkSegmenter()

    measured = {each.engine: each for each in measure(load, True)}
    assert tuple(measured) == ENGINES
    assert {name for name, each in measured.items() if each.fit} == {
        "torch-float32",
        "openvino-float32",
        "openvino-int8",
    }
    assert measured["torch-bfloat16"].iou is not None
    assert "IoU" in str(measured["torch-bfloat16"].refused)
    assert measured["openvino-bfloat16"].refused == "cannot"
    on_gpu = {each.engine for each in measure(load, False) if each.fit}
    assert on_gpu == {name for name in ENGINES if needs(name) != "a CPU"} - {"torch-bfloat16"}


def test_an_engine_that_fails_does_not_keep_the_others_from_being_measured(patient: None) -> None:
    def load(engine: str):  # type: ignore[no-untyped-def]
        if engine == "torch-bfloat16":
            raise RuntimeError("CUDA error: invalid argument")
        return DarkSegmenter()

    measured = {each.engine: each for each in measure(load, False)}
    assert "CUDA error" in str(measured["torch-bfloat16"].refused)
    assert measured["compiled-bfloat16"].fit


def test_other_weights_are_shown_beside_and_never_chosen(patient: None) -> None:
    measured = list(measure(lambda _: DarkSegmenter(), True, against=[("tiny.pt", Blind)]))
    other = measured[-1]
    assert (other.engine, other.fit) == ("tiny.pt", False)
    assert other.iou is not None
    assert other.outline_px is not None
    assert other.outline_px > 1


class Clock:
    """Time that passes only where an engine takes it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


class Loading(DarkSegmenter):
    """Takes long for its first windows, as kernels are loaded for them."""

    clock: Clock
    takes_s: tuple[float, ...]

    def encode(self, image: WindowImage, claim: Claim):  # type: ignore[no-untyped-def]
        self.clock.now_s += self.takes_s[min(self.encoded, len(self.takes_s) - 1)]
        return super().encode(image, claim)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measuring.time, "perf_counter", clock.perf_counter)
    return clock


def engine(clock: Clock, *takes_s: float) -> Loading:
    segmenter = Loading()
    segmenter.clock, segmenter.takes_s = clock, takes_s
    return segmenter


def test_the_first_windows_are_neither_judged_nor_timed(clock: Clock) -> None:
    engines = {"torch-float32": engine(clock, 0.5, 0.025), "torch-bfloat16": engine(clock, 0.65, 0.3, 0.011)}
    measured = {each.engine: each for each in measure(lambda name: engines.get(name) or engine(clock, 0.2), False)}
    assert measured["torch-float32"].encode_s == pytest.approx(0.025)
    assert measured["torch-bfloat16"].fit  # its first window took 26 times as long as the reference's
    assert measured["torch-bfloat16"].encode_s == pytest.approx(0.011)
    hopeless = measured["cuda-bfloat16"]
    assert "8 times as long" in str(hopeless.refused)
    assert hopeless.iou is None


def test_slow_engines_are_not_warmed_for_long(clock: Clock) -> None:
    slow, endless, quick = engine(clock, 6.0), engine(clock, 60.0), engine(clock, 0.5, 0.01)
    assert warmed(slow) == 6.0
    assert warmed(endless, reference_s=5.0) == 60.0
    assert warmed(quick, reference_s=0.025) == pytest.approx(0.01)
    assert (slow.encoded, endless.encoded, quick.encoded) == (2, 1, 3)
