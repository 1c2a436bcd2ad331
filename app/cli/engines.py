"""``engines``: find out what runs the encoder fastest on this machine."""

from __future__ import annotations

import logging

from rich.table import Table

from app.cli.console import stderr, stdout


def engines() -> None:
    """Build and time every engine for the chosen weights, and let REFINE_SEGMENTER__ENGINE=auto use the fastest.

    The first time takes minutes for the large model, and some 6 GB of memory. An engine whose masks differ from
    those of float32 on torch is refused. Run it again after an update, or on another machine.
    """
    from app.errors import InvalidSettings
    from app.segmenter.device import resolve_device
    from app.segmenter.engines.choice import ENGINES, Engine, keep, measure
    from app.segmenter.engines.openvino_encoder import why_not
    from app.segmenter.load import load_segmenter
    from app.segmenter.sam2_segmenter import Sam2Segmenter
    from app.segmenter.weights import choose
    from app.settings import read_settings

    logging.getLogger("app").setLevel(logging.ERROR)  # the table says it
    settings = read_settings()
    weights, mine = choose(settings), settings.segmenter

    on_cpu = resolve_device(mine.device).type == "cpu"
    lacking = why_not("bfloat16") if on_cpu and why_not("float32") is None else None

    def load(engine: Engine) -> Sam2Segmenter:
        if engine == "torch-bfloat16" and lacking:  # one window would take many minutes, only to be refused
            raise InvalidSettings(f"It would be hopeless: {lacking}.")
        return load_segmenter(mine.model_copy(update={"engine": engine}), weights)

    table = Table("engine", "one window", "IoU with float32", "")
    measured = []
    with stderr().status("") as status:
        found = measure(load, on_cpu=on_cpu)
        for engine in ENGINES:
            status.update(f"Building and timing {engine} ...")
            one = next(found)
            measured.append(one)
            table.add_row(
                engine,
                "" if one.encode_s is None else f"{one.encode_s * 1e3:.0f} ms",
                "" if one.iou is None else f"{one.iou:.4f}",
                one.refused or "",
            )
    chosen = keep(mine.engine_folder, weights.sha256, measured)
    stdout().print(table)
    stdout().print(f"REFINE_SEGMENTER__ENGINE=auto will use {chosen}.")
    if mine.engine not in ("auto", chosen):
        stdout().print(f"REFINE_SEGMENTER__ENGINE is {mine.engine}, though, and stays so.")
