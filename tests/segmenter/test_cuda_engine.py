"""What is recorded for a GPU gives what the model itself gives, whatever the size of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from app.segmenter.checkpoint import build_model
from app.segmenter.engines.agreement import drawn_window
from app.segmenter.engines.cuda_engine import CudaEngine
from app.segmenter.engines.engine import Pixels
from app.segmenter.engines.torch_engine import TorchEngine

ON_GPU = torch.cuda.is_available()
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not ON_GPU, reason="no GPU: torch sees none")], id="cuda"
    ),
]


class Tape:
    """Stands for the recorder where there is no GPU: the same fixed shapes, the same memory for every result."""

    def __init__(self) -> None:
        self.played: list[torch.Size] = []

    def record(
        self, function: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor]
    ) -> Callable[..., tuple[Tensor, ...]]:
        outputs = [output.clone() for output in function(*inputs)]

        def play(*values: Tensor) -> tuple[Tensor, ...]:
            self.played.append(values[-1].shape)
            for own, value in zip(inputs, values, strict=True):
                assert own.shape == value.shape
                own.copy_(value)
            for output, result in zip(outputs, function(*inputs), strict=True):
                output.copy_(result)
            return tuple(outputs)

        return play


def engines(device: str, batch: int) -> tuple[CudaEngine, TorchEngine, Tape]:
    tape, made = Tape(), []
    for _ in range(2):
        torch.manual_seed(1)
        made.append(build_model("embedded").eval())
    recorded = CudaEngine(made[0], torch.device(device), batch, tape.record if device == "cpu" else None)
    return recorded, TorchEngine(made[1], torch.device(device), torch.bfloat16), tape


def windows(side: int, count: int) -> list[Pixels]:
    return [drawn_window(seed, side).pixels for seed in range(count)]


def close(one: object, other: object) -> None:
    first, second = (torch.as_tensor(each).cpu().numpy() for each in (one, other))
    assert np.abs(first - second).mean() <= 0.02 * np.abs(second).mean()


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_of_any_size_gives_each_window_its_own_features(device: str) -> None:
    recorded, plain, tape = engines(device, 3)
    images = windows(recorded.side_px, 3)
    alone = [plain.encode([image])[0] for image in images]
    for count in (1, 2, 3):
        together = recorded.encode(images[:count])
        recorded.encode(images[::-1])  # must not write over what was given
        for features, expected in zip(together, alone, strict=False):
            for level, own in zip(features, expected, strict=True):
                close(level, own)
    if device == "cpu":
        assert [shape[0] for shape in tape.played] == [1, 3, 2, 3, 3, 3]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("prompts", [2, 5, 8, 12])
def test_any_number_of_prompts_gives_the_masks_of_the_model(device: str, prompts: int) -> None:
    recorded, plain, tape = engines(device, 1)
    (features,) = plain.encode(windows(recorded.side_px, 1))
    places = np.linspace(40, 200, 2 * prompts, dtype=np.float32).reshape(1, prompts, 2)
    labels = np.array([[2, 3, *[1] * (prompts - 2)]], np.int32)
    for one, other in zip(
        recorded.decode(features, places, labels), plain.decode(features, places, labels), strict=True
    ):
        close(one, other)
    if device == "cpu":
        assert len(tape.played) == (prompts <= 8)
