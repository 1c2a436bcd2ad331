"""``engines``: find out what runs the encoder fastest on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.cli.console import AsJson, print_json, stderr, stdout

if TYPE_CHECKING:
    from app.segmenter.engines.calibration import Calibration
    from app.segmenter.engines.choice import Measured
    from app.segmenter.engines.names import EngineName
    from app.segmenter.sam2_segmenter import Sam2Segmenter
    from app.segmenter.weights import ChosenWeights
    from app.settings import SegmenterSettings


def engines(
    calibration: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder of tissue images for int8, as the model sees them: one object in the middle, half as"
            " wide as the image. Half of them calibrate, half check. Default: drawn images.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option(help="Also try int8; without it, only engines that agree almost exactly with float32.")
    ] = True,
    smaller: Annotated[
        bool,
        typer.Option(
            help="Also measure engines with a smaller input; this happens anyway if REFINE_SEGMENTER__MOST_LOSS allows"
            " some loss. Masks are compared on the images of --calibration, so your own tissue tells you most."
        ),
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECKPOINT:CONFIG",
            help="Also measure other weights, on torch in float32, such as a smaller model that you have fine-tuned:"
            " tiny.pt:sam2.1_hiera_t. They are shown but never chosen.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build and time every engine for the chosen weights, and let REFINE_SEGMENTER__ENGINE=auto use the fastest.

    The first run takes minutes for the large model, and about 6 GB of memory. An engine whose masks differ from
    those of float32 on torch is refused. Run it again after an update, or on another machine.
    """
    from app.segmenter.device import is_on_gpu
    from app.segmenter.engines.calibration import read_calibration
    from app.segmenter.engines.choice import fastest, keep
    from app.segmenter.engines.measuring import Tissue, measure
    from app.segmenter.weights import choose
    from app.settings import read_settings

    logging.getLogger("app").setLevel(logging.ERROR)  # the table says it
    settings = read_settings()
    weights, mine = choose(settings), settings.segmenter
    windows = read_calibration(calibration)
    on_cpu = not is_on_gpu(mine.device)
    own = (*windows.taken, *windows.held_out) if calibration else ()
    found = measure(
        _loader(mine, weights, windows, on_cpu, int8),
        on_cpu,
        Tissue(windows.held_out if int8 else (), own),
        most_loss=mine.most_loss if smaller or mine.most_loss else None,
        against=[_other(mine, each) for each in against or ()],
    )
    measured = []
    with stderr().status("Building and timing the reference ...") as status:
        for each in found:
            measured.append(each)
            status.update(f"{each.engine} is measured; building and timing the next one ...")
    keep(mine.engine_folder, weights.sha256, measured)
    chosen = fastest(mine.engine_folder, weights.sha256, mine.most_loss)
    if as_json:
        print_json({"chosen": chosen, "setting": mine.engine, "measured": [asdict(each) for each in measured]})
        return
    stdout().print(_table(measured))
    stdout().print(f"REFINE_SEGMENTER__ENGINE=auto will use {chosen}.")
    if mine.engine not in ("auto", chosen):
        stdout().print(f"But REFINE_SEGMENTER__ENGINE is {mine.engine}, so the service uses that.")


def _other(settings: SegmenterSettings, given: str) -> tuple[str, Callable[[], Sam2Segmenter]]:
    """Give the name of other weights, and what loads them."""
    from app.segmenter.engines.names import REFERENCE
    from app.segmenter.load import load_segmenter
    from app.segmenter.weights import ChosenWeights
    from app.segmenter.weights.checks import file_sha256

    name, colon, config = given.rpartition(":")
    if not colon:
        raise typer.BadParameter(f"{given!r} names no config: CHECKPOINT:CONFIG.", param_hint="--against")
    file = Path(name)
    weights = ChosenWeights(file.stem, file, config, file_sha256(file), "configured")
    return file.name, lambda: load_segmenter(settings.model_copy(update={"engine": REFERENCE}), weights)


def _loader(
    settings: SegmenterSettings, weights: ChosenWeights, windows: Calibration, on_cpu: bool, int8: bool
) -> Callable[[EngineName], Sam2Segmenter]:
    """Give what builds the segmenter of an engine, or refuses one that is not worth trying."""
    from app.errors import InvalidSettings
    from app.segmenter.engines.names import INT8
    from app.segmenter.engines.openvino_engine import why_not
    from app.segmenter.load import load_segmenter

    lacking = why_not("bfloat16") if on_cpu and why_not("float32") is None else None

    def load(engine: EngineName) -> Sam2Segmenter:
        if engine == "torch-bfloat16" and lacking:  # one window would take many minutes, only to be refused
            raise InvalidSettings(f"Not worth trying: {lacking}.")
        if engine == INT8 and not int8:
            raise InvalidSettings("It was skipped.")
        taken = [window.pixels for window in windows.taken] if engine == INT8 else []
        return load_segmenter(settings.model_copy(update={"engine": engine}), weights, taken, compiling=True)

    return load


def _table(measured: list[Measured]) -> Table:
    names = ("engine", "one window", "IoU with float32", "lowest 5 % below", "outline off by", "area changed by", "")
    table = Table(*names)
    for one in measured:
        table.add_row(
            one.engine,
            "" if one.encode_s is None else f"{one.encode_s * 1e3:.0f} ms",
            "" if one.iou is None else f"{one.iou:.4f}",
            "" if one.low_iou is None else f"{one.low_iou:.4f}",
            "" if one.outline_px is None else f"{one.outline_px:.2f} px",
            "" if one.area is None else f"{one.area:.1%}",
            one.refused or "",
        )
    return table
