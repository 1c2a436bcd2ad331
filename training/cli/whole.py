"""``whole``: the whole path in one command, from outlined tiles to a model that answers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.train import Device


def whole(
    tiles: Annotated[Path, typer.Argument(help="A folder of images with instance masks: NAME.png, NAME.mask.png.")],
    out: Annotated[Path, typer.Option(help="Folder for everything; give the same one again to continue.")] = Path(
        "out/finetune"
    ),
    checkpoint: Annotated[str, typer.Option(help="What to start from.")] = "embedded",
    config: Annotated[str | None, typer.Option(help="Its SAM 2.1 config; default: its own.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs to train.")] = 3,
    lr: Annotated[float, typer.Option(min=0.0, help="Learning rate; high, because there are few epochs.")] = 2e-4,
    per_slide: Annotated[int, typer.Option(min=1, help="Use at most this many objects of each image.")] = 40,
    limit: Annotated[int, typer.Option(min=1, help="Evaluate at most this many objects of each dataset.")] = 40,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "fine-tuned",
    licence: Annotated[str, typer.Option(help="Licence, for the model card.")] = "not stated",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Export, fine-tune, evaluate, package and serve the result; then refine one object with it."""
    from rich.console import Console

    from training.cli.evaluate import evaluate
    from training.cli.export import INCOMPLETE, export_and_tell
    from training.cli.package import package
    from training.cli.train import run_training, told
    from training.dataset.export import Choice
    from training.dataset.sources.tiles import TilesFolder
    from training.early import check_out, check_training_data
    from training.finetune.recipe import Recipe
    from training.models import open_model
    from training.served import refine_through_the_service
    from training.start import machine

    check_training_data(tiles)
    check_out(out)
    where, start = machine(device, "auto"), open_model(checkpoint, config)
    console = Console(highlight=False)
    data, run, report = out / "data", out / "run", out / "report"
    console.rule("1 of 5: export")
    done = export_and_tell(TilesFolder(tiles), data, Choice(per_slide=per_slide, seed=seed))
    console.rule("2 of 5: train")
    recipe = Recipe(epochs=epochs, learning_rate=lr, seed=seed)
    typer.echo(told(run_training(data, run, start, recipe, where), run))
    console.rule("3 of 5: evaluate, beside the weights it began with")
    best = str(run / "best.pt")
    beside = checkpoint if config is None else f"{checkpoint}={config}"
    evaluate(data, best, report, against=[beside], split="test", limit=limit, device=device, seed=seed)
    console.rule("4 of 5: package")
    package(run, out / "model", name, licence, metrics=report / "metrics.json")
    console.rule("5 of 5: serve")
    served = refine_through_the_service(out / "model" / f"{name}.pt", data)
    typer.echo(
        f"The service refined {served.item} over HTTP in {served.seconds:.1f} s:"
        f" IoU {served.before:.3f} -> {served.after:.3f} (model {served.model})"
    )
    typer.echo(f"Open {report / 'report.html'}")
    if done.refused:
        raise typer.Exit(INCOMPLETE)
