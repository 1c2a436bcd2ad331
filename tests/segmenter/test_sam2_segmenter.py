import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from app.errors import DeviceOutOfMemory, InvalidSettings
from app.geometry.prompts import PointLabel, Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.checkpoint import build_model
from app.segmenter.device import resolve_device
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.usecases.ports import Claim, ModelInfo

INFO = ModelInfo("random", "configured", "0" * 64, "float32", "cpu")


def segmenter_of(model: torch.nn.Module) -> Sam2Segmenter:
    return Sam2Segmenter(TorchEngine(model.eval(), torch.device("cpu")), INFO)


@pytest.fixture(scope="module")
def tiny() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("sam2.1_hiera_t").eval()


def window(seed: int, side: int = 300) -> WindowImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return WindowImage(pixels, WindowGrid(0, 0, 1, 1))


def prompts(*points: tuple[float, float], label: PointLabel = PointLabel.FOREGROUND) -> Prompts:
    box = np.array([[75.5, 60.5], [225.5, 200.5]])
    return Prompts(box, np.array(points, dtype=float).reshape(-1, 2), tuple(label for _ in points))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.torch.jit.script.:DeprecationWarning")  # in the package's transforms
def test_the_numbers_are_those_of_the_packages_own_predictor(tiny: torch.nn.Module) -> None:
    try:
        from sam2.sam2_image_predictor import SAM2ImagePredictor
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not import beside this torch: {error}")
    predictor = SAM2ImagePredictor(tiny)
    ours, image = segmenter_of(tiny), window(2)
    predictor.set_image(image.pixels)
    embedding = ours.encode(image, Claim())
    for given in (
        prompts(),
        prompts((150.5, 130.5), (100.5, 90.5)),
        prompts((80.5, 70.5), label=PointLabel.BACKGROUND),
    ):
        # the predictor takes indices of pixels, ours are continuous; it scales before the encoder adds the half pixel
        to_index = lambda places: places - 0.5 * 300 / 1024  # noqa: E731
        _, scores, logits = predictor.predict(
            point_coords=to_index(given.points) if len(given.points) else None,
            point_labels=np.array([int(label) for label in given.labels]) if len(given.points) else None,
            box=to_index(given.box).ravel(),
            multimask_output=True,
            return_logits=True,
        )
        masks = ours.decode(embedding, given)
        assert masks.logits.shape == (3, 256, 256)
        assert np.allclose(masks.scores, scores, atol=1e-5)
        assert np.allclose(np.clip(masks.logits, -32, 32), logits, atol=1e-3 * max(1.0, np.abs(logits).max()))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.torch.jit.script.:DeprecationWarning")
def test_the_single_mask_is_the_one_that_the_package_gives_where_one_is_asked_for(tiny: torch.nn.Module) -> None:
    try:
        from sam2.sam2_image_predictor import SAM2ImagePredictor
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not import beside this torch: {error}")
    predictor = SAM2ImagePredictor(tiny)
    tiny.sam_mask_decoder.dynamic_multimask_via_stability = False  # else it may answer with one of the three
    ours, image = segmenter_of(tiny), window(2)
    predictor.set_image(image.pixels)
    given = prompts()
    _, (score,), (logits,) = predictor.predict(
        box=(given.box - 0.5 * 300 / 1024).ravel(), multimask_output=False, return_logits=True
    )
    masks = ours.decode(ours.encode(image, Claim()), given)
    assert masks.single is not None
    assert masks.single.score == pytest.approx(score, abs=1e-5)
    assert np.allclose(np.clip(masks.single.logits, -32, 32), logits, atol=1e-3 * max(1.0, np.abs(logits).max()))
    assert not any(np.allclose(masks.single.logits, other) for other in masks.logits)


def test_requests_that_meet_do_not_mix(tiny_embedded: Sam2Segmenter) -> None:
    images = [window(seed) for seed in range(6)]

    def run(image: WindowImage) -> np.ndarray:
        return tiny_embedded.decode(tiny_embedded.encode(image, Claim()), prompts((150, 130))).logits

    alone = [run(image) for image in images]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(run, images))
    for first, second in zip(alone, together, strict=True):
        assert np.array_equal(first, second)
    assert not np.array_equal(alone[0], alone[1])


def test_an_embedding_serves_many_prompts_and_is_not_changed(tiny_embedded: Sam2Segmenter) -> None:
    embedding = tiny_embedded.encode(window(1), Claim())
    first = tiny_embedded.decode(embedding, prompts())
    tiny_embedded.decode(embedding, prompts((150, 130)))
    tiny_embedded.encode(window(2), Claim())
    assert np.array_equal(tiny_embedded.decode(embedding, prompts()).logits, first.logits)


def test_an_embedding_that_came_from_another_process_serves_too(tiny_embedded: Sam2Segmenter) -> None:
    embedding = tiny_embedded.encode(window(1), Claim())
    assert embedding.nbytes == sum(level.nbytes for level in embedding.features)
    travelled = pickle.loads(pickle.dumps(embedding.on_host()))
    for level in travelled.features:
        level.flags.writeable = False  # as it is in memory that processes share
    here, there = (tiny_embedded.decode(each, prompts()).logits for each in (embedding, travelled))
    assert np.array_equal(here, there)


@pytest.fixture(scope="module")
def tiny_embedded() -> Sam2Segmenter:
    torch.manual_seed(3)
    return segmenter_of(build_model("embedded"))


def test_windows_of_any_size_are_squashed_to_the_input(tiny_embedded: Sam2Segmenter) -> None:
    side = tiny_embedded.input_side_px
    for given in (16, side, 700):
        image = window(1, given)
        masks = tiny_embedded.decode(
            tiny_embedded.encode(image, Claim()),
            Prompts(np.array([[1, 1], [given - 1, given - 1]]), np.empty((0, 2)), ()),  # type: ignore[arg-type]
        )
        assert masks.logits.shape == (3, side // 4, side // 4)
        assert masks.scores.shape == (3,)
        assert masks.single is not None
        assert masks.single.logits.shape == (side // 4, side // 4)
    tiny_embedded.warm_up()
    assert tiny_embedded.info == INFO


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]
)
def test_a_full_device_is_told_and_passes(error: RuntimeError) -> None:
    model = build_model("embedded")
    ours = segmenter_of(model)
    whole = model.forward_image
    model.forward_image = lambda _: (_ for _ in ()).throw(error)  # type: ignore[assignment]
    with pytest.raises(DeviceOutOfMemory):
        ours.encode(window(1), Claim())
    model.forward_image = whole  # type: ignore[assignment]
    assert ours.encode(window(1), Claim()).window_size == (300, 300)


def test_other_failures_are_not_called_a_full_device() -> None:
    model = build_model("embedded")
    model.forward_image = lambda _: (_ for _ in ()).throw(RuntimeError("shape"))  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="shape"):
        segmenter_of(model).encode(window(1), Claim())


def test_the_device_is_what_is_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InvalidSettings, match="GPUs"):
        resolve_device("cuda:99")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: torch sees none")
def test_the_gpu_gives_the_masks_of_the_cpu() -> None:
    torch.manual_seed(3)
    on_cpu = segmenter_of(build_model("embedded"))
    torch.manual_seed(3)
    on_gpu = Sam2Segmenter(TorchEngine(build_model("embedded").eval(), torch.device("cuda")), INFO)
    first, second = (one.decode(one.encode(window(1), Claim()), prompts()) for one in (on_cpu, on_gpu))
    assert ((first.logits > 0) == (second.logits > 0)).mean() > 0.999
