"""From a model on torch to files that OpenVINO reads; only this needs torch, and only once for a checkpoint."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openvino
import torch
from torch import Tensor, nn

from app.segmenter.attention import Attention, attention_by
from app.segmenter.embedding import Features
from app.segmenter.engines.engine import FloatArray, Pixels, normalised
from app.segmenter.engines.folded import decoded_folded
from app.segmenter.engines.torch_engine import features


class _Encoder(nn.Module):
    """A model's encoder as a module of its own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return features(self.model, images)


class _Decoder(nn.Module):
    """A model's prompt encoder and mask decoder as a module of their own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, finest: Tensor, finer: Tensor, coarsest: Tensor, coordinates: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        return decoded_folded(self.model, [finest, finer, coarsest], coordinates, labels)


def features_of(model: nn.Module, pixels: Pixels) -> Features:
    """Give what the model itself sees in a window, (s, s, 3) uint8; float32."""
    with torch.no_grad():
        levels = features(model, torch.from_numpy(normalised(pixels, int(model.image_size))))  # type: ignore[arg-type]
    return tuple(level.numpy() for level in levels)


def trace_encoder(model: nn.Module, file: Path) -> None:
    """Write the encoder of a model down, float32."""
    side = int(model.image_size)  # type: ignore[arg-type]
    with attention_by(heads_apart):
        _save(_traced(_Encoder(model), (torch.zeros(1, 3, side, side),), [(1, 3, side, side)]), file)


def trace_decoder(model: nn.Module, file: Path) -> None:
    """Write the prompt encoder and the mask decoder of a model down, for any number of objects and of prompts."""
    side = int(model.image_size)  # type: ignore[arg-type]
    with torch.no_grad():
        levels = features(model, torch.zeros(1, 3, side, side))
    example = (*levels, torch.full((1, 3, 2), side / 2), torch.tensor([[2, 3, 1]], dtype=torch.int32))
    shapes = [*(tuple(level.shape) for level in levels), (-1, -1, 2), (-1, -1)]
    _save(_traced(_Decoder(model), example, shapes), file)


def quantise(encoder: Path, file: Path, calibration: Iterable[FloatArray]) -> None:
    """Write a traced encoder down again, its products of matrices in int8.

    Parameters
    ----------
    encoder : Path
        From `trace_encoder`.
    calibration : iterable of (1, 3, s, s) float32
        Normalised windows; the ranges of the activations are taken from them.
    """
    import nncf

    windows = list(calibration)
    quantised = nncf.quantize(
        openvino.Core().read_model(encoder),
        nncf.Dataset(windows),
        subset_size=len(windows),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
    )
    _save(quantised, file)


def heads_apart(fused: Attention) -> Attention:
    """Make heads rows of the batch where there are as many of them as of queries or of keys.

    OpenVINO 2026.4 takes one for the other there when it compiles for bfloat16: of Hiera Tiny, Small and the embedded
    model, a fifth of the features' size is then wrong (decision 0078).
    """

    def attention(query: Tensor, key: Tensor, value: Tensor, *more: Any, **options: Any) -> Tensor:
        if query.shape[1] not in (query.shape[2], key.shape[2]):
            return fused(query, key, value, *more, **options)
        apart = fused(query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), *more, **options)
        return apart.reshape(query.shape)

    return attention


def _traced(module: nn.Module, example: tuple[Tensor, ...], shapes: list[tuple[int, ...]]) -> Any:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's, on branches that a fixed size decides
        return openvino.convert_model(module, example_input=example, input=shapes)


def _save(traced: Any, file: Path) -> None:
    """Write both files; the one that names the other comes last, so that a torn write is not believed."""
    part = file.with_name(f"part-{os.getpid()}-{file.name}")
    openvino.save_model(traced, part, compress_to_fp16=False)
    os.replace(part.with_suffix(".bin"), file.with_suffix(".bin"))
    os.replace(part, file)
