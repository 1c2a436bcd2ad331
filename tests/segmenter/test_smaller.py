"""Engines that see a smaller square: what they lose is measured, and nobody gets one without having allowed it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.segmenter.engines import openvino_engine
from app.segmenter.engines.agreement import Agreement, agreement, difference, seen
from app.segmenter.engines.choice import Measured, fastest, keep
from app.segmenter.engines.measuring import Tissue, measure
from app.segmenter.engines.names import SMALLER, parts_of
from app.segmenter.engines.openvino_engine import traced_file
from app.segmenter.engines.tissue import drawn_window, middle_of
from app.segmenter.load import load_segmenter
from app.segmenter.weights import ChosenWeights, choose
from app.settings import SegmenterSettings, Settings
from tests.fakes.rooms import DarkSegmenter

SHA = "0" * 64


def disc(radius: int, x: int = 512) -> np.ndarray:
    canvas = np.zeros((1024, 1024), np.uint8)
    cv2.circle(canvas, (x, 512), radius, 1, -1)
    return canvas > 0


def test_differences_are_those_on_paper() -> None:
    nothing = np.zeros((1024, 1024), bool)
    assert difference([disc(300), nothing], [disc(300), nothing]) == Agreement(1.0, 1.0, 0.0, 0.0)
    grown = difference([disc(300)], [disc(310)])
    assert grown.iou == grown.low_iou == pytest.approx((300 / 310) ** 2, abs=0.002)
    assert grown.outline_px == pytest.approx(10, abs=0.5)
    assert grown.area == pytest.approx(1 - (300 / 310) ** 2, abs=0.002)
    moved = difference([disc(300)], [disc(300, 532)])
    assert moved.outline_px == pytest.approx(20 * 2 / np.pi, abs=0.5)  # mean of |cos|
    assert moved.area == 0
    assert difference([disc(300)], [nothing]) == Agreement(0.0, 0.0, 1024.0, 1.0)
    half = difference([disc(300), disc(300)], [disc(300), nothing])
    assert (half.iou, half.outline_px) == (0.5, 512.0)
    assert half.low_iou < 0.1


class Shrunken(DarkSegmenter):
    """An engine whose masks are a little smaller."""

    def decode(self, embedding, prompts):  # type: ignore[no-untyped-def]
        masks = super().decode(embedding, prompts)
        for logits in masks.logits:
            logits[:] = np.where(cv2.erode((logits > 0).astype(np.uint8), np.ones((3, 3))) > 0, 1.0, -1.0)
        return masks


def measured(most_loss: float, on_cpu: bool = True) -> dict[str, Measured]:
    def load(engine: str):  # type: ignore[no-untyped-def]
        if engine == "torch-float32-896":
            raise RuntimeError("no memory")
        return Shrunken() if engine.endswith("-768") else DarkSegmenter()

    windows = tuple(drawn_window(seed, 256) for seed in range(3))
    measured = measure(load, on_cpu, Tissue(own=windows), most_loss=most_loss)
    return {each.engine: each for each in measured if each.engine in SMALLER}


def test_what_is_lost_is_measured_and_refused_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.measuring.HOPELESS", 1e9)  # these take no time worth measuring
    strict, lenient = measured(0.0), measured(0.5)
    assert tuple(strict) == SMALLER
    lossy = strict["openvino-float32-768"]
    assert lossy.iou is not None
    assert 0.5 < lossy.iou < 0.99
    assert lossy.outline_px is not None
    assert 2 < lossy.outline_px < 30
    assert "and 0 is allowed" in str(lossy.refused)
    assert lenient["openvino-float32-768"].fit
    assert strict["openvino-float32-896"].fit  # the same masks
    assert "no memory" in str(strict["torch-float32-896"].refused)
    assert "runs on a CPU" in str(strict["cuda-bfloat16-768"].refused)
    assert "runs on a GPU" in str(measured(0.5, on_cpu=False)["openvino-float32-768"].refused)


def test_auto_takes_one_only_within_the_loss_that_is_allowed_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: None)
    whole = keep(
        tmp_path,
        SHA,
        [
            Measured("torch-float32", 3.0, 1.0, None),
            Measured("openvino-float32", 2.0, 1.0, None),
            Measured("openvino-float32-896", 1.5, 0.97, None, 2.0),
            Measured("openvino-float32-768", 1.0, 0.93, "it loses 0.070, and 0.05 is allowed", 5.0),
            Measured("torch-float32-768", None, None, "it failed"),
        ],
    )
    assert whole == "openvino-float32"  # whatever was fit when it was measured
    allowed = {loss: fastest(tmp_path, SHA, loss) for loss in (0.0, 0.02, 0.04, 0.1)}
    assert allowed == {
        0.0: "openvino-float32",
        0.02: "openvino-float32",
        0.04: "openvino-float32-896",
        0.1: "openvino-float32-768",
    }
    keep(
        tmp_path, SHA, [Measured("torch-float32", 0.5, 1.0, None), Measured("torch-float32-768", 0.6, 0.99, None, 1.0)]
    )
    assert fastest(tmp_path, SHA, 0.1) == "torch-float32"  # it would be slower
    assert fastest(tmp_path, "1" * 64, 0.1) == "torch-float32"  # never measured
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: "not installed")
    assert fastest(tmp_path, SHA, 0.1) == "torch-float32"


def test_names_say_what_sees_how_much() -> None:
    assert parts_of("openvino-float32-768") == ("openvino", "float32", "768")
    assert parts_of("cuda-bfloat16") == ("cuda", "bfloat16", "")
    assert {parts_of(each)[2] for each in SMALLER} == {"768", "896"}


@pytest.fixture(scope="module")
def weights() -> ChosenWeights:
    return choose(Settings())


WINDOWS = [drawn_window(seed, 1024) for seed in range(2)]


def masks_of(engine: str, folder: Path, weights: ChosenWeights):  # type: ignore[no-untyped-def]
    segmenter = load_segmenter(SegmenterSettings(device="cpu", engine=engine, engine_folder=folder), weights)  # type: ignore[arg-type]
    assert segmenter.input_side_px == 192  # of 256
    assert segmenter.info.precision == "float32-768"  # embeddings of another side are never taken for its own
    found = seen(segmenter, [middle_of(window) for window in WINDOWS])
    for masks, best in zip(found.masks, found.best, strict=True):
        assert 0.02 < (masks[best] > 0).mean() < 0.3  # the nucleus in the middle, and no noise
    segmenter.close()
    return found


def test_the_embedded_model_runs_with_three_quarters_of_its_side(tmp_path: Path, weights: ChosenWeights) -> None:
    assert len(masks_of("torch-float32-768", tmp_path, weights).masks) == 2


@pytest.mark.long
@pytest.mark.skipif(openvino_engine.why_not("float32") is not None, reason="no OpenVINO")
@pytest.mark.filterwarnings("ignore")  # the tracer's own
def test_openvino_sees_the_same_smaller_square(tmp_path: Path, weights: ChosenWeights) -> None:
    these, those = (masks_of(f"{kind}-float32-768", tmp_path, weights) for kind in ("torch", "openvino"))
    assert agreement(these, those).iou > 0.995
    assert traced_file(tmp_path, weights.sha256, "encoder", "768").exists()
    assert not traced_file(tmp_path, weights.sha256, "encoder").exists()
