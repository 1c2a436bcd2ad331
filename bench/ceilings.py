"""What is the most that this machine can do? Products of matrices, and copies."""

from __future__ import annotations

import numpy as np
import torch

from bench.rows import Row, row, timed

_SIDE, _SMALL_SIDE = 2048, 256
_SLOW_GFLOPS = 2.0
"""Without instructions for a type its products are computed one by one, and large ones would take minutes."""


def gflops(dtype: torch.dtype, device: str, runs: int) -> list[float]:
    """Measure products of square matrices, GFLOP/s."""
    small = _products(_SMALL_SIDE, dtype, device, 2)
    return small if small[-1] < _SLOW_GFLOPS else _products(_SIDE, dtype, device, runs)


def _products(side: int, dtype: torch.dtype, device: str, runs: int) -> list[float]:
    one = torch.randn(side, side, device=device).to(dtype)
    found = [2 * side**3 / timed(lambda: (one @ one)[0, 0].item()) / 1e9 for _ in range(runs + 1)]
    return found[1:]


def ceilings(device: str, runs: int) -> tuple[list[Row], torch.dtype]:
    """Measure the ceilings, and tell the type whose products are the fastest."""
    found = {dtype: gflops(dtype, device, runs) for dtype in (torch.float32, torch.bfloat16)}
    rows = [
        row(f"matrix products, {str(dtype).removeprefix('torch.')}", each, unit="GFLOP/s")
        for dtype, each in found.items()
    ]
    source = np.ones(2**25, dtype=np.float64)
    target = np.empty_like(source)
    copies = [source.nbytes / timed(lambda: np.copyto(target, source)) / 1e9 for _ in range(runs)]
    rows.append(row("copies of memory", copies, unit="GB/s"))
    return rows, max(found, key=lambda dtype: float(np.median(found[dtype])))
