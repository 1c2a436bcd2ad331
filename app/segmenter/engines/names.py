"""The names of engines: what computes, how precisely, and how large a square the encoder sees."""

from __future__ import annotations

from typing import Literal, get_args

WholeName = Literal[
    "torch-float32", "torch-tf32", "torch-bfloat16", "openvino-float32", "openvino-bfloat16", "openvino-int8",
    "cuda-bfloat16", "cuda-float16", "compiled-bfloat16",
]  # fmt: skip
SmallerName = Literal[
    "torch-float32-896", "torch-float32-768", "openvino-float32-896", "openvino-float32-768", "cuda-bfloat16-896",
    "cuda-bfloat16-768",
]  # fmt: skip
"""Of engines whose encoder sees a square of so many pixels, where it would see 1,024, and as much less where it would
see another one."""
EngineName = WholeName | SmallerName
ENGINES: tuple[WholeName, ...] = get_args(WholeName)
SMALLER: tuple[SmallerName, ...] = get_args(SmallerName)
REFERENCE: WholeName = "torch-float32"
INT8: WholeName = "openvino-int8"
ON_GPU_UNMEASURED: WholeName = "torch-tf32"
"""What a GPU runs as long as nothing was measured there: float32, whose products keep ten bits of each factor."""


def parts_of(engine: EngineName) -> tuple[str, str, str]:
    """Split an engine's name: what computes, how precisely, and the side of a smaller square, or nothing."""
    kind, precision, *side = engine.split("-")
    return kind, precision, "".join(side)


def needs(engine: EngineName) -> Literal["a CPU", "a GPU"] | None:
    """Tell the one kind of device that an engine runs on; None if it runs on both."""
    kind, precision, _ = parts_of(engine)
    if kind == "openvino":
        return "a CPU"
    return "a GPU" if kind in ("cuda", "compiled") or precision == "tf32" else None
