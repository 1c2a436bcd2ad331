"""``embedded``: a small model like the one that is committed, from drawn tissue and any real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.train import Device, Precision

_WITHOUT_END = 10**6
"""Steps of a run that the clock ends."""


def embedded(
    out: Annotated[Path, typer.Option(help="Folder of the run; give the same one again to continue it.")] = Path(
        "out/embedded"
    ),
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of images with instance masks, or dataset folder, to mix in; may be given several times."
        ),
    ] = None,
    held_out: Annotated[Path | None, typer.Option(help="Such a folder to validate on, beside drawn scenes.")] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Name of an image of --data to validate on instead; may be given several times."),
    ] = None,
    begin_with: Annotated[
        str | None, typer.Option("--from", help="Checkpoint to start from: embedded, or a file.", show_default="none")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many steps to train; each takes a second or two on two cores.",
            show_default="3200, or --minutes",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop training after this long; 0: no limit.")] = 0.0,
    scenes: Annotated[
        int, typer.Option(min=12, help="How many drawn scenes to train on at a time; a fifth is new in every epoch.")
    ] = 480,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Windows in a batch.", show_default="12; 56 on a GPU")
    ] = None,
    targets: Annotated[
        int | None, typer.Option(min=1, help="Prompts for each window.", show_default="2; 4 on a GPU")
    ] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches in a step.")] = 1,
    lr: Annotated[float, typer.Option(min=0.0, help="Highest learning rate.")] = 7e-4,
    seed: Annotated[int, typer.Option(help="Seed of the scenes, the samples and the weights.")] = 7,
    profile: Annotated[
        bool, typer.Option("--profile", help="Print where a step's time goes when training ends.")
    ] = False,
    precision: Annotated[Precision, typer.Option(help="Precision; auto: bfloat16 on a GPU.")] = Precision.auto,
    device: Device = "auto",
    install: Annotated[
        Path | None, typer.Option(help="File to copy the checkpoint to, with its record as its card.")
    ] = None,
) -> None:
    """Train a small model from drawn tissue, and from real images where there are some."""
    import json

    from training.early import check_out
    from training.embedded.real import real_scenes
    from training.embedded.recipe import Recipe
    from training.embedded.record import RECORD, install_model
    from training.embedded.train import train
    from training.start import machine

    check_out(out)
    where = machine(device, precision.value)
    on_gpu = where.device.type == "cuda"
    recipe = Recipe(
        steps=steps or (_WITHOUT_END if minutes else Recipe().steps), minutes=minutes, scenes=scenes,
        batch=batch or (56 if on_gpu else 12), targets=targets or (4 if on_gpu else 2), accumulate=accumulate,
        learning_rate=lr, seed=seed,
    )  # fmt: skip
    real = real_scenes(data or (), leave_out or ())
    unseen = [
        *real_scenes([held_out] if held_out else ()),
        *(real_scenes(data or (), only=leave_out) if leave_out else ()),
    ]
    checkpoint = train(recipe, out, where, real=real, unseen=unseen, begin_with=begin_with, profile=profile)
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    typer.echo(f"{checkpoint}: {checkpoint.stat().st_size / 1e6:.1f} MB, {record['steps']} steps")
    if install is not None:
        install_model(checkpoint, record, install)
        typer.echo(f"installed as {install}")
