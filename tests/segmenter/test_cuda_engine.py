"""What is recorded for a GPU gives what the model itself gives, whatever the batch and whoever else asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from app.segmenter.checkpoint import build_model
from app.segmenter.engines.cuda_engine import CudaEngine, split
from app.segmenter.engines.engine import Pixels
from app.segmenter.engines.lanes import SOON, Lane, lanes_of
from app.segmenter.engines.tissue import drawn_window
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.usecases.ports import Claim, ModelInfo
from tests.fakes.cuda import FakeCuda, faked_cuda

ON_GPU = torch.cuda.is_available()
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not ON_GPU, reason="no GPU: torch sees none")], id="cuda"
    ),
]
CPU = torch.device("cpu")


@pytest.fixture
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda | None]:
    if "device" in request.fixturenames and request.getfixturevalue("device") == "cuda":
        yield None
        return
    with faked_cuda(monkeypatch) as fake:
        yield fake


def model() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("embedded").eval()


def engines(device: str, batch: int, precision: torch.dtype = torch.bfloat16) -> tuple[CudaEngine, TorchEngine]:
    place = torch.device(device)
    return CudaEngine(model(), place, batch, precision), TorchEngine(model(), place, precision)


def windows(side: int, count: int) -> list[Pixels]:
    return [drawn_window(seed, side).pixels for seed in range(count)]


def close(one: object, other: object) -> None:
    first, second = (torch.as_tensor(each).cpu().numpy() for each in (one, other))
    assert np.abs(first - second).mean() <= 0.02 * np.abs(second).mean()


def corners(prompts: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.linspace(40, 200, 2 * prompts, dtype=np.float32).reshape(1, prompts, 2)
    return places, np.array([[2, 3, *[1] * (prompts - 2)]], np.int32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.long)])
def test_a_batch_of_any_size_gives_each_window_its_own_features(
    device: str, precision: torch.dtype, cuda: FakeCuda | None
) -> None:
    recorded, plain = engines(device, 2, precision)
    images = windows(recorded.side_px, 3)
    alone = [plain.encode([image])[0] for image in images]
    for count in (1, 2, 3):
        together = recorded.encode(images[:count])
        recorded.encode(images[::-1])  # must not write over what was given
        for features, expected in zip(together, alone, strict=False):
            for level, own in zip(features, expected, strict=True):
                close(level, own)


def test_an_odd_batch_is_made_up_of_recorded_sizes(cuda: FakeCuda) -> None:
    sizes = [1, 2, 4, 8]
    assert [split(count, sizes) for count in (1, 5, 7, 8)] == [[1], [4, 1], [4, 2, 1], [8]]
    assert split(7, [1, 2, 4, 6]) == [6, 1]
    recorded, _ = engines("cpu", 2)
    cuda.replayed.clear()
    assert len(recorded.encode(windows(recorded.side_px, 3))) == 3
    assert len(cuda.replayed) == 2  # 2 and 1


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("prompts", [2, 8, 12])
def test_any_number_of_prompts_gives_the_masks_of_the_model(device: str, prompts: int, cuda: FakeCuda | None) -> None:
    recorded, plain = engines(device, 1)
    (features,) = plain.encode(windows(recorded.side_px, 1))
    if cuda:
        cuda.replayed.clear()
    for one, other in zip(
        recorded.decode(features, *corners(prompts)), plain.decode(features, *corners(prompts)), strict=True
    ):
        close(one, other)
    if cuda:
        assert len(cuda.replayed) == (prompts <= 8)


def test_decodes_have_a_stream_that_goes_first_and_memory_of_their_own(cuda: FakeCuda) -> None:
    recorded, plain = engines("cpu", 2)
    encoding, decoding = cuda.streams  # and no more: each stream that cuBLAS sees costs a workspace
    assert (encoding.priority, decoding.priority) == (0, SOON)
    (features,) = plain.encode(windows(recorded.side_px, 1))
    cuda.replayed.clear()
    recorded.encode(windows(recorded.side_px, 2))
    recorded.decode(features, *corners(2))
    (encoder, first), (decoder, second) = cuda.replayed
    assert (first, second) == (encoding, decoding)
    assert cuda.recorded_on[id(decoder)] is decoding  # kernels keep the priority of where they were recorded
    assert encoder.pool is not decoder.pool
    assert encoding.waited_for
    assert decoding.waited_for


def as_served(kind: str) -> TorchEngine:
    """Give an engine of a GPU as the service has it: recorded, or on torch itself, until something was measured."""
    return CudaEngine(model(), CPU, 2) if kind == "recorded" else TorchEngine(model(), CPU, lanes=lanes_of(CPU))


@pytest.mark.parametrize("kind", ["recorded", "on torch"])
def test_a_decode_does_not_wait_for_a_batch_of_encodes(cuda: FakeCuda, kind: str) -> None:
    recorded, plain = as_served(kind), TorchEngine(model(), CPU)
    (features,) = plain.encode(windows(recorded.side_px, 1))
    begun, go_on = threading.Event(), threading.Event()
    whole = recorded._encoded

    def slow(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        begun.set()
        assert go_on.wait(60)
        return whole(images)

    recorded._encoded = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        encoding = pool.submit(recorded.encode, windows(recorded.side_px, 2))
        try:
            assert begun.wait(60)
            logits, _ = recorded.decode(features, *corners(2))  # would never come back behind the batch
            assert not encoding.done()
        finally:
            go_on.set()
        assert len(encoding.result(60)) == 2
    close(logits, plain.decode(features, *corners(2))[0])


def test_without_recordings_a_decode_has_the_stream_that_goes_first_too(cuda: FakeCuda) -> None:
    served = as_served("on torch")
    encoding, decoding = cuda.streams
    assert (encoding.priority, decoding.priority) == (0, SOON)
    at_work = []
    levels, masks = served._levels, served._masks
    served._levels = lambda *given: (at_work.append(cuda.current_stream()), levels(*given))[1]  # type: ignore[method-assign]
    served._masks = lambda *given: (at_work.append(cuda.current_stream()), masks(*given))[1]  # type: ignore[method-assign]
    (features,) = served.encode(windows(served.side_px, 1))
    served.decode(features, *corners(2))
    assert at_work == [encoding, decoding]
    assert [stream.waited_for for stream in cuda.streams] == [1, 1]


def test_a_lane_waits_for_what_was_begun_before_it(cuda: FakeCuda) -> None:
    before, lane = cuda.stream_of(), Lane(CPU)
    with cuda.stream(before), lane.turn():  # weights that are being cast
        assert cuda.current_stream().waits_for == [before]  # type: ignore[union-attr]


def test_a_lane_is_given_back_by_what_fails_in_it(cuda: FakeCuda) -> None:
    lane = Lane(CPU)
    with pytest.raises(RuntimeError, match="looks at a value"), lane.turn():
        lane.record(lambda given: (given * given.sum().item(),), [torch.ones(2)])
    with lane.turn():
        doubled = lane.record(lambda given: (given * 2,), [torch.ones(2)])
        assert doubled(torch.tensor([3.0, 4.0]))[0].tolist() == [6.0, 8.0]
        with pytest.raises(ValueError, match="recorded for"):
            doubled(torch.ones(3))


@pytest.mark.parametrize("answers", [40, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("device", DEVICES)
def test_answers_under_load_are_those_of_windows_alone(device: str, answers: int, cuda: FakeCuda | None) -> None:
    precision = torch.bfloat16 if device == "cuda" else torch.float32  # which some CPUs compute ten times as fast
    recorded, _ = engines(device, 2, precision)
    info = ModelInfo("random", "configured", "0" * 64, str(precision).removeprefix("torch."), device)
    segmenter = Sam2Segmenter(recorded, info, batch=2, max_waiting=64)
    images = [drawn_window(seed, recorded.side_px) for seed in range(4)]

    def answer(at: int) -> np.ndarray:
        ((features),) = [segmenter.encode(images[at % 4], Claim(at)).features]
        return recorded.decode(features, *corners(2 + at % 3))[0]

    alone = [answer(at) for at in range(12)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(answer, range(answers)))
    segmenter.close()
    for at, logits in enumerate(together):
        close(logits, alone[at % 12])
    assert segmenter.load.batches < segmenter.load.windows  # some were encoded together
