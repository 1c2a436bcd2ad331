"""``python -m bench``: every question in one run, beside the reference."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import Progress

from app.segmenter.device import resolve_device, usable_cores
from bench.ceilings import ceilings
from bench.clicking import clicking
from bench.commands import check_folder, check_names, program
from bench.crowd import crowd
from bench.encode import encode
from bench.machine import commit, machine
from bench.page import write_results
from bench.request import request
from bench.rows import Row
from bench.stage import Stage, staged
from bench.startup import startup
from bench.steps import steps

QUESTIONS = ("encode", "steps", "request", "click", "crowd", "startup")


def main(
    config: Annotated[
        str, typer.Option(help="Model config; the weights are random, except for the embedded model.")
    ] = "sam2.1_hiera_b+",
    engine: Annotated[
        str,
        typer.Option(help="Engine of the service's model.", show_default="openvino-float32, on a GPU cuda-bfloat16"),
    ] = "",
    quick: Annotated[bool, typer.Option(help="Fewer runs.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"Questions: {', '.join(QUESTIONS)}.")] = None,
    folder: Annotated[Path, typer.Option(help="Folder that keeps slide, weights and compiled engines.")] = Path(
        "out/bench"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("bench/results"),
) -> None:
    """Measure the service beside the thesis' pipeline, and write a page with plots for each question."""
    check_names(only or (), QUESTIONS, "--only")
    check_folder(out)
    logging.getLogger("app").setLevel(logging.ERROR)
    torch.set_num_threads(usable_cores())
    runs = 3 if quick else 7
    device = str(resolve_device("auto"))
    engine = engine or ("openvino-float32" if device == "cpu" else "cuda-bfloat16")
    meta = {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "config": config,
        "weights": "its own" if config == "embedded" else "random",
        "engine": engine,
        **machine(device),
    }
    with staged(folder, config, engine) as stage, Progress(console=Console(stderr=True)) as progress:
        asked = [name for name in QUESTIONS if not only or name in only]
        task = progress.add_task("ceilings", total=len(asked) + 1)
        limits, fastest = ceilings(device, runs)
        for name in asked:
            progress.update(task, advance=1, description=name)
            rows = _answer(name, stage, device, runs, fastest, quick)()
            page = write_results(out, name, meta, rows, limits)
            progress.console.print(f"{name}: {page}")
        progress.update(task, advance=1, description="done")


def _answer(
    name: str, stage: Stage, device: str, runs: int, fastest: torch.dtype, quick: bool
) -> Callable[[], list[Row]]:
    """Find the question of a name, with what it needs."""
    return {
        "encode": lambda: encode(stage, device, runs, fastest),
        "steps": lambda: steps(stage, device, 5 * runs),
        "request": lambda: request(stage, runs),
        "click": lambda: clicking(stage, runs),
        "crowd": lambda: crowd(stage, ((1, 40), (32, 40)) if quick else ((1, 40), (4, 60), (8, 60), (32, 300))),
        "startup": lambda: startup(stage, 3 if quick else 20),
    }[name]


if __name__ == "__main__":
    program(main)()
