"""Engines give the features of torch in float32, or are refused; what was measured decides."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from app.errors import InvalidSettings
from app.segmenter import load
from app.segmenter.checkpoint import build_model
from app.segmenter.device import usable_cores
from app.segmenter.engines import openvino_engine
from app.segmenter.engines.agreement import agreement, seen, why_not_the_same
from app.segmenter.engines.calibration import read_calibration
from app.segmenter.engines.choice import Measured, fastest, keep, seconds_of_a_window
from app.segmenter.engines.engine import pinned_torch, torch_version
from app.segmenter.engines.names import INT8, ON_GPU_UNMEASURED, REFERENCE
from app.segmenter.engines.tissue import drawn_examples, drawn_window, middle_of
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.load import _choose, load_segmenter
from app.segmenter.weights import ChosenWeights, choose
from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim
from tests.waiting import until

SHA = "0" * 64
needs_openvino = pytest.mark.skipif(
    openvino_engine.why_not("float32") is not None, reason=str(openvino_engine.why_not("float32"))
)
needs_bfloat16 = pytest.mark.skipif(
    openvino_engine.why_not("bfloat16") is not None, reason=str(openvino_engine.why_not("bfloat16"))
)
quiet = pytest.mark.filterwarnings("ignore")  # the tracer's own, of torch.jit


@pytest.fixture(scope="module")
def weights() -> ChosenWeights:
    return choose(Settings())


@pytest.fixture
def folder(engines: Path) -> Path:
    return engines


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
    examples = [example for size in (side, 3 * side, side // 2 + 1) for example in drawn_examples(size, 1)]
    found = agreement(seen(reference, examples), seen(candidate, examples))
    assert found.low_iou > 0.999
    assert why_not_the_same(found) is None
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
    until(lambda: not list(folder.glob("part-*")))  # another process may be tracing into the folder


@needs_openvino
@quiet
def test_no_attention_of_a_traced_encoder_has_as_many_heads_as_queries_or_keys(
    folder: Path, weights: ChosenWeights
) -> None:
    import openvino

    load_segmenter(settings(folder, "openvino-float32"), weights).close()
    model = openvino.Core().read_model(openvino_engine.traced_file(folder, weights.sha256, "encoder"))
    attentions = [each for each in model.get_ops() if each.get_type_name() == "ScaledDotProductAttention"]
    assert attentions
    for each in attentions:
        query, key = (list(each.input(at).get_partial_shape().to_shape()) for at in (0, 1))
        assert len(query) == 3 or query[1] not in (query[2], key[2])


@needs_bfloat16
@quiet
def test_each_precision_gives_the_models_features_whichever_was_compiled_first(
    tmp_path: Path, weights: ChosenWeights
) -> None:
    def features(engine: str) -> npt.NDArray[np.float32]:
        segmenter = load_segmenter(settings(tmp_path, engine), weights)
        found = segmenter.features(segmenter.encode(drawn_window(1, 256), Claim()))
        segmenter.close()
        return found

    exact = features(REFERENCE)
    for precision, most in (("bfloat16", 0.03), ("float32", 1e-4), ("bfloat16", 0.03)):
        error = np.abs(features(f"openvino-{precision}") - exact).mean() / np.abs(exact).mean()
        assert error < most


@needs_bfloat16
@quiet
def test_heads_that_openvino_takes_for_queries_are_noticed(
    tmp_path: Path, weights: ChosenWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.segmenter.engines.tracing.heads_apart", lambda fused: fused)
    refused = ""
    try:
        load_segmenter(settings(tmp_path, "openvino-bfloat16"), weights).close()
    except InvalidSettings as error:
        refused = str(error)
    trusted = list(tmp_path.glob("compiled/bf16/*.checked"))  # by a version of OpenVINO that has mended it
    assert bool(trusted) is not bool(refused)
    assert not refused or "openvino-bfloat16 does not compute" in refused


@needs_openvino
@quiet
def test_an_encoder_that_was_compiled_wrong_is_refused_until_it_is_right(
    tmp_path: Path, weights: ChosenWeights
) -> None:
    load_segmenter(settings(tmp_path, "openvino-float32"), weights).close()
    traced = openvino_engine.traced_file(tmp_path, weights.sha256, "encoder")
    (mark,) = tmp_path.glob("compiled/f32/*.checked")
    kept = traced.with_suffix(".features.npy")
    expected = np.load(kept)
    np.save(kept, expected + 0.2 * np.abs(expected).mean())
    load_segmenter(settings(tmp_path, "openvino-float32"), weights).close()  # was compared before, and is not again
    mark.unlink()
    with pytest.raises(InvalidSettings, match=r"openvino-float32 does not compute .* off by 20%"):
        load_segmenter(settings(tmp_path, "openvino-float32"), weights)
    assert not mark.exists()
    np.save(kept, expected)
    load_segmenter(settings(tmp_path, "openvino-float32"), weights).close()
    assert mark.exists()


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
    engines = []
    for precision in (torch.float32, torch.bfloat16):
        torch.manual_seed(1)
        engines.append(TorchEngine(build_model("embedded").eval(), torch.device("cpu"), precision))
    images = [drawn_window(1, engines[0].side_px).pixels]
    (exact,), (close,) = (engine.encode(images) for engine in engines)
    for one, other in zip(exact, close, strict=True):
        assert other.dtype == np.float32
        assert not np.array_equal(one, other)
        assert np.abs(one - other).mean() / np.abs(one).mean() < 0.05


def test_an_engine_of_the_other_kind_of_device_is_refused(folder: Path, weights: ChosenWeights) -> None:
    with pytest.raises(InvalidSettings, match="a GPU only"):
        load_segmenter(settings(folder, "cuda-bfloat16"), weights)


def test_a_gpu_on_which_nothing_was_measured_runs_float32_with_tf32(
    folder: Path, weights: ChosenWeights, tmp_path: Path
) -> None:
    on_gpu = settings(tmp_path, "auto")
    assert _choose(on_gpu, weights, on_gpu=True) == ON_GPU_UNMEASURED == "torch-tf32"
    assert _choose(on_gpu, weights, on_gpu=False) == REFERENCE
    keep(tmp_path, weights.sha256, [Measured(REFERENCE, 2.0, 1.0, None), Measured("cuda-float16", 1.0, 1.0, None)])
    assert _choose(on_gpu, weights, on_gpu=True) == "cuda-float16"
    assert _choose(on_gpu, weights, on_gpu=False) == REFERENCE  # a record that another machine has left
    with pytest.raises(InvalidSettings, match="a CPU only"):
        _choose(settings(tmp_path, "openvino-float32"), weights, on_gpu=True)


@pytest.fixture
def products() -> Iterator[None]:
    matrices, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matrices, convolutions


def test_tf32_is_for_the_engine_that_asks_for_it(products: None) -> None:
    model, cpu = build_model("embedded").eval(), torch.device("cpu")
    plain, quick = (TorchEngine(model, cpu, tf32=tf32) for tf32 in (False, True))
    for engine, tf32 in ((quick, True), (plain, False), (quick, True)):
        engine.encode([drawn_window(1, 64).pixels])
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
        assert torch.backends.cudnn.allow_tf32 is tf32


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
@pytest.mark.parametrize(
    ("side", "cores", "workers"), [(1024, 2, 1), (1024, 64, 4), (768, 16, 1), (256, 2, 2), (256, 1, 1), (64, 96, 16)]
)
def test_small_windows_are_encoded_side_by_side(
    monkeypatch: pytest.MonkeyPatch, side: float, cores: int, workers: int
) -> None:
    monkeypatch.setattr(load, "usable_cores", lambda: cores)
    assert load._workers(side) == workers


def test_the_square_that_a_model_sees_is_read_from_its_config(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("model:\n  image_size: 512\n")
    assert [load.side_of(each) for each in ("embedded", "sam2.1_hiera_b+", str(own))] == [256, 1024, 512]


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
    assert "InvalidSettings: torch is not installed here" in done.stderr


@pytest.mark.long
@needs_openvino
@quiet
def test_int8_is_made_from_windows_checked_on_others_and_only_then_run(tmp_path: Path, weights: ChosenWeights) -> None:
    pytest.importorskip("nncf", reason="no NNCF (the extra int8)")
    wanted = settings(tmp_path, INT8)
    with pytest.raises(InvalidSettings, match="was not measured here"):
        load_segmenter(wanted, weights)
    calibration = read_calibration(None)
    held_out = [middle_of(window) for window in calibration.held_out[:3]]
    made = load_segmenter(wanted, weights, [window.pixels for window in calibration.taken[:2]])
    reference = load_segmenter(settings(tmp_path, REFERENCE), weights)
    found = agreement(seen(reference, held_out), seen(made, held_out))
    assert 0.5 < found.iou < 1  # the same model, in other numbers
    keep(tmp_path, weights.sha256, [Measured(REFERENCE, 2.0, 1.0, None), Measured(INT8, 1.0, 0.9, "IoU of 0.9")])
    with pytest.raises(InvalidSettings, match=r"refused for these weights: IoU of 0\.9"):
        load_segmenter(wanted, weights)
    keep(tmp_path, weights.sha256, [Measured(REFERENCE, 2.0, 1.0, None), Measured(INT8, 1.0, 0.99, None)])
    loaded = load_segmenter(wanted.model_copy(update={"engine": "auto"}), weights)
    assert (loaded.info.engine, loaded.info.precision) == ("openvino", "int8")
    assert agreement(seen(made, held_out), seen(loaded, held_out)).iou > 0.99
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
