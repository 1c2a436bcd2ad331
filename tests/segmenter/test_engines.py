"""Engines give the features of torch in float32, or are refused; what was measured decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.errors import InvalidSettings
from app.segmenter.checkpoint import build_model
from app.segmenter.device import usable_cores
from app.segmenter.engines import openvino_engine
from app.segmenter.engines.agreement import LEAST_IOU, agreement, drawn_window
from app.segmenter.engines.calibration import read_calibration
from app.segmenter.engines.choice import ENGINES, INT8, REFERENCE, Measured, fastest, keep, measure, seconds_of_a_window
from app.segmenter.engines.engine import pinned_torch, torch_version
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.load import load_segmenter
from app.segmenter.weights import ChosenWeights, choose
from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim
from tests.fakes.rooms import DarkSegmenter

SHA = "0" * 64
needs_openvino = pytest.mark.skipif(
    openvino_engine.why_not("float32") is not None, reason=str(openvino_engine.why_not("float32"))
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


@pytest.mark.long
@needs_openvino
@quiet
def test_openvino_leads_to_the_masks_of_torch(folder: Path, weights: ChosenWeights) -> None:
    reference = load_segmenter(settings(folder, REFERENCE), weights)
    candidate = load_segmenter(settings(folder, "openvino-float32"), weights)
    assert (candidate.info.engine, candidate.info.precision) == ("openvino", "float32")
    side = reference.input_side_px
    windows = [drawn_window(seed, size) for seed, size in enumerate((side, side, 3 * side, side // 2 + 1))]
    assert min(agreement(reference, candidate, windows)) >= LEAST_IOU
    candidate.warm_up()
    for one in (reference, candidate):
        one.close()


@needs_openvino
@quiet
def test_the_encoder_is_traced_once(folder: Path, weights: ChosenWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    load_segmenter(settings(folder, "openvino-float32"), weights)
    monkeypatch.setattr("app.segmenter.load._load", None)
    load_segmenter(settings(folder, "openvino-float32"), weights)
    for part in ("encoder", "decoder"):
        assert openvino_engine.traced_file(folder, weights.sha256, part).exists()
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
    monkeypatch.setattr("app.segmenter.engines.openvino_engine.why_not", lambda _: "no such instructions")
    with pytest.raises(InvalidSettings, match="no such instructions"):
        load_segmenter(settings(folder, "openvino-bfloat16"), weights)


def test_bfloat16_gives_float32_features_close_to_the_reference() -> None:
    torch.manual_seed(1)
    model = build_model("embedded").eval()
    images = [drawn_window(1, model.image_size).pixels]
    (exact,), (close,) = (
        TorchEngine(model, torch.device("cpu"), precision).encode(images)
        for precision in (torch.float32, torch.bfloat16)
    )
    for one, other in zip(exact, close, strict=True):
        assert other.dtype == np.float32
        assert not np.array_equal(one, other)
        assert np.abs(one - other).mean() / np.abs(one).mean() < 0.05


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

    held_out = [drawn_window(seed, 256) for seed in range(2)]
    measured = list(measure(load, True, held_out))
    assert [each.engine for each in measured] == list(ENGINES)
    assert [each.fit for each in measured] == [True, False, True, False, True, False]
    assert measured[1].iou is not None
    assert measured[1].iou < LEAST_IOU
    assert "IoU" in str(measured[1].refused)
    assert [each.fit for each in measure(load, False)] == [True, False, False, False, False, True]


def test_an_engine_that_takes_far_too_long_is_not_tried_any_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.HOPELESS", 0.0)
    reference, *others, recorded = measure(lambda _: DarkSegmenter(), True)
    assert reference.fit
    assert "the model runs on a CPU" in str(recorded.refused)
    assert [each.iou for each in others] == [None] * 4
    assert all("times as long" in str(each.refused) for each in others)


def test_an_engine_that_fails_does_not_keep_the_others_from_being_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.HOPELESS", 1e9)

    def load(engine: str):  # type: ignore[no-untyped-def]
        if engine == "torch-bfloat16":
            raise RuntimeError("CUDA error: invalid argument")
        return DarkSegmenter()

    reference, failed, *others = measure(load, False)
    assert (reference.fit, failed.fit, others[-1].fit) == (True, False, True)
    assert "CUDA error" in str(failed.refused)


def test_an_engine_of_the_other_kind_of_device_is_refused(folder: Path, weights: ChosenWeights) -> None:
    with pytest.raises(InvalidSettings, match="a GPU only"):
        load_segmenter(settings(folder, "cuda-bfloat16"), weights)


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
    assert seconds_of_a_window(tmp_path, SHA, "openvino-float32") == 2.0
    assert seconds_of_a_window(tmp_path, SHA, "openvino-int8") is None
    assert seconds_of_a_window(tmp_path, "1" * 64, "openvino-float32") is None
    assert fastest(tmp_path, "1" * 64) == REFERENCE
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: "not installed")
    assert fastest(tmp_path, SHA) == REFERENCE


def test_without_torch_the_fastest_of_the_converted_engines_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.segmenter.engines.choice.why_not", lambda _: None)
    keep(
        tmp_path,
        SHA,
        [
            Measured("torch-float32", 1.0, 1.0, None),
            Measured("openvino-float32", 3.0, 1.0, None),
            Measured("openvino-bfloat16", 2.0, 0.9, "its masks differ"),
        ],
    )
    assert fastest(tmp_path, SHA) == REFERENCE
    monkeypatch.setattr("app.segmenter.engines.choice.find_spec", lambda _: None)
    assert fastest(tmp_path, SHA) == "openvino-float32"
    keep(tmp_path, SHA, [Measured("torch-float32", 1.0, 1.0, None), Measured("openvino-float32", 9.0, None, "slow")])
    assert fastest(tmp_path, SHA) == "openvino-float32"
    assert fastest(tmp_path, "1" * 64) == "openvino-float32"


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


@pytest.mark.long
@needs_openvino
@quiet
def test_threads_that_meet_do_not_mix(folder: Path, weights: ChosenWeights) -> None:
    from concurrent.futures import ThreadPoolExecutor

    chosen = settings(folder, "openvino-float32").model_copy(update={"concurrency": 2})
    segmenter = load_segmenter(chosen, weights)
    images = [drawn_window(seed, segmenter.input_side_px) for seed in range(4)]
    alone = [segmenter.encode(image, Claim()).features for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: segmenter.encode(image, Claim()).features, images))
    for one, other in zip(alone, together, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_allclose(first, second, atol=1e-4)
    segmenter.close()


@needs_openvino
@quiet
def test_a_service_that_finds_its_traces_does_without_torch(folder: Path, weights: ChosenWeights) -> None:
    load_segmenter(settings(folder, "openvino-float32"), weights).close()
    environment = {
        **os.environ,
        "REFINE_SEGMENTER__ENGINE": "openvino-float32",
        "REFINE_SEGMENTER__ENGINE_FOLDER": str(folder),
        "REFINE_SEGMENTER__DEVICE": "cpu",
    }
    look = "import sys, app.main; app.main.create_app(); print([n for n in ('torch', 'sam2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@needs_openvino
def test_without_torch_and_traces_the_service_says_what_to_do(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "REFINE_SEGMENTER__DEMO_MODEL": "true",
        "REFINE_SEGMENTER__ENGINE": "openvino-float32",
        "REFINE_SEGMENTER__ENGINE_FOLDER": str(tmp_path),
        "REFINE_SEGMENTER__DEVICE": "cpu",
    }
    look = "import sys; sys.modules['torch'] = None; import app.main; app.main.create_app()"
    done = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=False)
    assert "InvalidSettings: This image has no torch" in done.stderr


@pytest.mark.long
@needs_openvino
@quiet
def test_int8_is_made_from_windows_checked_on_others_and_only_then_run(tmp_path: Path, weights: ChosenWeights) -> None:
    pytest.importorskip("nncf", reason="no NNCF (the extra int8)")
    wanted = settings(tmp_path, INT8)
    with pytest.raises(InvalidSettings, match="was not measured here"):
        load_segmenter(wanted, weights)
    calibration = read_calibration(None)
    held_out = calibration.held_out[:3]
    made = load_segmenter(wanted, weights, [window.pixels for window in calibration.taken[:2]])
    reference = load_segmenter(settings(tmp_path, REFERENCE), weights)
    found = agreement(reference, made, held_out)
    assert 0.5 < np.mean(found) < 1  # the same model, in other numbers
    keep(tmp_path, weights.sha256, [Measured(REFERENCE, 2.0, 1.0, None), Measured(INT8, 1.0, 0.9, "IoU of 0.9")])
    with pytest.raises(InvalidSettings, match=r"refused for these weights: IoU of 0\.9"):
        load_segmenter(wanted, weights)
    keep(tmp_path, weights.sha256, [Measured(REFERENCE, 2.0, 1.0, None), Measured(INT8, 1.0, 0.99, None)])
    loaded = load_segmenter(wanted.model_copy(update={"engine": "auto"}), weights)
    assert (loaded.info.engine, loaded.info.precision) == ("openvino", "int8")
    assert agreement(made, loaded, held_out[:1])[0] > 0.99
    file = openvino_engine.traced_file(tmp_path, weights.sha256, "int8").with_suffix(".bin")
    before = file.read_bytes()
    others = [drawn_window(0, 256).pixels // 3]
    again = load_segmenter(wanted, weights, others)
    assert file.read_bytes() != before  # other windows, other ranges
    for one in (made, reference, loaded, again):
        one.close()


def test_calibration_reads_images_and_says_what_is_wrong(tmp_path: Path) -> None:
    for seed in range(6):
        Image.fromarray(drawn_window(seed, 64).pixels).save(tmp_path / f"{seed}.png")
    found = read_calibration(tmp_path)
    assert (len(found.taken), len(found.held_out)) == (3, 3)
    (tmp_path / "7.png").write_text("no image")
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_calibration(tmp_path)
    with pytest.raises(InvalidSettings, match="four at least"):
        read_calibration(tmp_path / "nothing")


def test_without_torch_the_folder_is_read_by_the_release_that_we_pin() -> None:
    assert pinned_torch() == torch.__version__.partition("+")[0] == torch_version()
