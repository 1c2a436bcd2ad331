"""How long one window takes in the encoder, on each engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from app.errors import ServiceError
from app.geometry.windows import WindowImage
from app.segmenter.checkpoint import build_model
from app.segmenter.engines.agreement import agreement, seen
from app.segmenter.engines.measuring import HOPELESS, warmed
from app.segmenter.engines.names import ENGINES, REFERENCE, EngineName
from app.segmenter.engines.tissue import drawn_examples
from app.segmenter.load import load_segmenter
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.checks import file_sha256
from app.segmenter.weights.choice import ChosenWeights
from app.settings import SegmenterSettings
from app.usecases.ports import Claim, Segmenter
from bench.ceilings import gflops
from bench.rows import Row, row, timed
from bench.stage import Stage

_CROWD = 48
"""Windows; half of them wait at a time."""
_PRODUCTS = 5
"""For one look at the ceiling, which wanders by a factor of two on a machine that is shared."""


def encode(stage: Stage, device: str, runs: int, fastest: torch.dtype) -> list[Row]:
    """Measure each engine beside torch in float32 and the machine's ceiling, in turns.

    Parameters
    ----------
    fastest : torch.dtype
        The type whose products are the ceiling.
    """
    weights = ChosenWeights("random", stage.checkpoint, stage.config, file_sha256(stage.checkpoint), "configured")

    def load(engine: EngineName) -> Sam2Segmenter:
        folder = stage.folder / "engines"
        return load_segmenter(SegmenterSettings(device=device, engine=engine, engine_folder=folder), weights)

    gflop = encoder_gflop(stage.config)
    reference, rows = load(REFERENCE), []
    examples = drawn_examples(reference.input_side_px)
    image = examples[0].window
    reference_s = warmed(reference)
    base = seen(reference, examples)
    for engine in ENGINES:
        name = f"encode, {engine}"
        try:
            ours = load(engine)
        except ServiceError as error:
            rows.append(Row(name, float("nan"), None, "s", 0, float("nan"), None, error.detail))
            continue
        warm_s = warmed(ours, reference_s)
        if warm_s > HOPELESS * reference_s:
            rows.append(row(name, [warm_s], [reference_s], note="far too slow here; only its first window was timed"))
            ours.close()
            continue
        found = agreement(base, seen(ours, examples))
        turns = [
            (
                timed(ours.encode, image, Claim()),
                timed(reference.encode, image, Claim()),
                float(np.median(gflops(fastest, device, _PRODUCTS))),
            )
            for _ in range(runs)
        ]
        mine, theirs, ceilings = zip(*turns, strict=True)
        share = float(np.median([gflop / mine_s / ceiling for mine_s, _, ceiling in turns]))
        most = f"ceiling measured alongside: {min(ceilings):.0f} to {max(ceilings):.0f} GFLOP/s"
        off = f"IoU of its masks with those of float32: {found.iou:.4f}, outlines {found.outline_px:.2f} px apart"
        note = f"{gflop:.0f} GFLOP; {most}; {off}"
        rows.append(row(name, mine, theirs, share_of_ceiling=share, note=note))
        if device != "cpu":
            rows.append(many(name, ours, image, [1 / each for each in theirs]))
        ours.close()
    reference.close()
    return rows


def many(name: str, ours: Segmenter, image: WindowImage, theirs: list[float]) -> Row:
    """Measure windows in a second while more wait than fit into a batch; the reference's are one after the other."""

    def windows_in_a_second(pool: ThreadPoolExecutor) -> float:
        return _CROWD / timed(lambda: list(pool.map(lambda user: ours.encode(image, Claim(user)), range(_CROWD))))

    with ThreadPoolExecutor(_CROWD // 2) as pool:
        windows_in_a_second(pool)
        mine = [windows_in_a_second(pool) for _ in theirs]
    return row(f"{name}, many at once", mine, theirs, unit="windows/s", note="more is better")


def encoder_gflop(config: str) -> float:
    """Count the trunk's multiplications and additions for one window, those inside of attention too.

    638 GFLOP for Hiera-B+; 529 is the whole encoder without attention's own products (decision 0015).
    """
    model = cast(Any, build_model(config).to("meta"))
    side = model.image_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.image_encoder.trunk(torch.empty(1, 3, side, side, device="meta"))
    return float(counter.get_total_flops()) / 1e9
