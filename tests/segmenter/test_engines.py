"""Engines give the features of torch in float32, or are refused; what was measured decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import InvalidSettings
from app.segmenter.checkpoint import build_model
from app.segmenter.device import usable_cores
from app.segmenter.engines import openvino_encoder
from app.segmenter.engines.agreement import LEAST_IOU, agreement
from app.segmenter.engines.choice import ENGINES, REFERENCE, Measured, fastest, keep, measure
from app.segmenter.engines.torch_encoder import TorchEncoder
from app.segmenter.load import load_segmenter
from app.segmenter.weights import ChosenWeights, choose
from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim
from tests.fakes.rooms import DarkSegmenter

SHA = "0" * 64
needs_openvino = pytest.mark.skipif(
    openvino_encoder.why_not("float32") is not None, reason=str(openvino_encoder.why_not("float32"))
)
quiet = pytest.mark.filterwarnings("ignore")  # the tracer's own, of torch.jit


@pytest.fixture(scope="module")
def weights() -> ChosenWeights:
    return choose(Settings())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


def settings(folder: Path, engine: str) -> SegmenterSettings:
    return SegmenterSettings(device="cpu", engine=engine, engine_folder=folder)  # type: ignore[arg-type]


@needs_openvino
@quiet
def test_openvino_leads_to_the_masks_of_torch(folder: Path, weights: ChosenWeights) -> None:
    reference = load_segmenter(settings(folder, REFERENCE), weights)
    candidate = load_segmenter(settings(folder, "openvino-float32"), weights)
    assert (candidate.info.engine, candidate.info.precision) == ("openvino", "float32")
    assert agreement(reference, candidate) >= LEAST_IOU
    assert candidate._model.image_encoder is None
    candidate.warm_up()
    for one in (reference, candidate):
        one.close()


@needs_openvino
@quiet
def test_the_encoder_is_traced_once(folder: Path, weights: ChosenWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    load_segmenter(settings(folder, "openvino-float32"), weights)
    monkeypatch.setattr(openvino_encoder, "_trace", None)
    load_segmenter(settings(folder, "openvino-float32"), weights)
    assert openvino_encoder.traced_file(folder, weights.sha256).exists()
    assert not list(folder.glob("part-*"))


@needs_openvino
@quiet
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, weights: ChosenWeights) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSettings, match="ENGINE_FOLDER"):
        load_segmenter(settings(tmp_path / "file", "openvino-float32"), weights)


def test_what_the_machine_cannot_run_is_refused(
    folder: Path, weights: ChosenWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.segmenter.engines.openvino_encoder.why_not", lambda _: "no such instructions")
    with pytest.raises(InvalidSettings, match="no such instructions"):
        load_segmenter(settings(folder, "openvino-bfloat16"), weights)


def test_bfloat16_gives_float32_features_close_to_the_reference() -> None:
    torch.manual_seed(1)
    model = build_model("embedded").eval()
    images = torch.randn(1, 3, model.image_size, model.image_size)
    with torch.inference_mode():
        exact, close = TorchEncoder(model)(images), TorchEncoder(model, torch.bfloat16)(images)
    for one, other in zip(exact, close, strict=True):
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        assert float((one - other).abs().mean() / one.abs().mean()) < 0.05


class Blind(DarkSegmenter):
    """An engine that sees something else."""

    def decode(self, embedding, prompts):  # type: ignore[no-untyped-def]
        masks = super().decode(embedding, prompts)
        masks.logits[:] = np.roll(masks.logits, 40, axis=-1)
        return masks


def test_an_engine_that_sees_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.HOPELESS", 1e9)  # these take no time worth measuring

    def load(engine: str):  # type: ignore[no-untyped-def]
        if engine == "openvino-bfloat16":
            raise InvalidSettings("cannot")
        return Blind() if engine == "torch-bfloat16" else DarkSegmenter()

    measured = list(measure(load, on_cpu=True))
    assert [each.engine for each in measured] == list(ENGINES)
    assert [each.fit for each in measured] == [True, False, True, False]
    assert measured[1].iou is not None
    assert measured[1].iou < LEAST_IOU
    assert "IoU" in str(measured[1].refused)
    assert [each.fit for each in measure(load, on_cpu=False)] == [True, False, False, False]


def test_an_engine_that_takes_far_too_long_is_not_tried_any_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.HOPELESS", 0.0)
    reference, *others = measure(lambda _: DarkSegmenter(), on_cpu=True)
    assert reference.fit
    assert [each.iou for each in others] == [None] * 3
    assert all("times as long" in str(each.refused) for each in others)


def test_the_fastest_that_is_fit_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: None)
    assert fastest(tmp_path, SHA) == REFERENCE
    chosen = keep(
        tmp_path,
        SHA,
        [
            Measured("torch-float32", 3.0, 1.0, None),
            Measured("torch-bfloat16", 1.0, 0.9, "its masks differ"),
            Measured("openvino-float32", 2.0, 1.0, None),
        ],
    )
    assert chosen == fastest(tmp_path, SHA) == "openvino-float32"
    assert fastest(tmp_path, "1" * 64) == REFERENCE
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: "not installed")
    assert fastest(tmp_path, SHA) == REFERENCE


@pytest.mark.parametrize("text", ["", "[]", '{"fastest": "quantum"}'])
def test_a_record_that_makes_no_sense_is_ignored(tmp_path: Path, text: str) -> None:
    keep(tmp_path, SHA, [Measured("torch-float32", 3.0, 1.0, None)])
    (record,) = tmp_path.iterdir()
    record.write_text(text)
    assert fastest(tmp_path, SHA) == REFERENCE


@pytest.mark.parametrize(("text", "most"), [("150000 100000", 1), ("max 100000", 10**6), ("nonsense", 10**6)])
def test_a_containers_quota_bounds_the_cores(tmp_path: Path, text: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert 1 <= usable_cores(tmp_path / "cpu.max") <= most
    assert usable_cores(tmp_path / "none") >= 1


@needs_openvino
@quiet
def test_threads_that_meet_do_not_mix(folder: Path, weights: ChosenWeights) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from app.segmenter.engines.agreement import drawn_window

    chosen = settings(folder, "openvino-float32").model_copy(update={"concurrency": 2})
    segmenter = load_segmenter(chosen, weights)
    images = [drawn_window(seed, segmenter.input_side_px) for seed in range(4)]
    alone = [segmenter.encode(image, Claim()).image.clone() for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: segmenter.encode(image, Claim()).image, images))
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(alone, together, strict=True))
    segmenter.close()
