"""``learn``: better weights from what people accepted and corrected in Cytomine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.export import HOST, PRIVATE_KEY, PUBLIC_KEY
from training.cli.train import Device

if TYPE_CHECKING:
    from training.dataset import Dataset
    from training.learn.round import Start


class Learned(StrEnum):
    """What learns."""

    decoder = "decoder"
    lora = "lora"


def learn(
    project: Annotated[list[int], typer.Option(help="Id of a project; may be repeated.")],
    reference: Annotated[
        Path, typer.Option(help="Dataset folder, or folder of tiles with masks, that the model must not get worse at.")
    ],
    host: Annotated[str, typer.Option(envvar=HOST, help="Base URL of Cytomine.")],
    public_key: Annotated[str, typer.Option(envvar=PUBLIC_KEY, help="Public API key of the account that reads.")],
    private_key: Annotated[str, typer.Option(envvar=PRIVATE_KEY, help="Private API key of the same account.")],
    out: Annotated[Path, typer.Option(help="Folder of data and rounds; the same one each time.")] = Path("out/learn"),
    journal: Annotated[
        Path | None,
        typer.Option(help="The service's journal; without it, annotations with the property refined-with-sam."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="What to start from.", show_default="what the service runs with these settings")
    ] = None,
    least: Annotated[
        int, typer.Option(min=1, help="Train only if at least this many objects are new or corrected.")
    ] = 20,
    tune: Annotated[
        Learned, typer.Option(help="What to train: prompt encoder and mask decoder, or LoRA too.")
    ] = Learned.decoder,
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop training after this long; 0: no limit.")] = 420.0,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs to train.")] = 30,
    lr: Annotated[float, typer.Option(min=0.0, help="Learning rate.")] = 5e-5,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "learned",
    licence: Annotated[str, typer.Option(help="Licence, for the model card.")] = "not stated",
    use: Annotated[
        bool,
        typer.Option(
            "--use", help="Put the weights to use at once if they are better; a running service switches to them."
        ),
    ] = False,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Train on what was refined in Cytomine since the last time; a model is packaged only if it proves better."""
    from training.early import check_out, check_training_data
    from training.finetune.recipe import Recipe
    from training.learn.round import learn as learn_from
    from training.learn.round import not_yet_learned
    from training.package import About
    from training.start import machine

    check_training_data(reference)
    check_out(out)
    begun = _start(checkpoint)
    lab, known = _followed(project, out, (host, public_key, private_key), journal, reference)
    fresh = not_yet_learned(lab, out)
    if len(fresh) < least:
        typer.echo(f"{len(fresh)} objects are new or corrected since the last time; --least is {least}. Nothing to do.")
        return
    typer.echo(f"Learning from {len(lab.items)} objects, {len(fresh)} of them new or corrected since the last time.")
    recipe = Recipe(
        tune=tune.value, epochs=epochs, learning_rate=lr, batch=4 if tune is Learned.lora else 8, minutes=minutes,
        seed=seed, rounds=1, single=0.5,
    )  # fmt: skip
    about = About(name, licence, f"Learned from {len(lab.items)} objects that were accepted in Cytomine.")
    outcome = learn_from(lab, known, begun, recipe, about, out, machine(device, "auto"), typer.echo)
    if outcome.package is None:
        typer.echo(f"{outcome.refused} Nothing was packaged; the previous weights stay in use.")
        raise typer.Exit(1)
    _hand_over(outcome.package, use)


def _start(checkpoint: str | None) -> Start:
    """Find the weights to begin with."""
    from app.segmenter.weights import choose
    from app.segmenter.weights.choice import EMBEDDED_MODEL
    from app.settings import read_settings
    from training.learn.round import Start

    if checkpoint is None:
        chosen = choose(read_settings())
        return Start(chosen.path, chosen.config)
    return Start(EMBEDDED_MODEL, "embedded") if checkpoint == "embedded" else Start(Path(checkpoint), None)


def _followed(
    projects: list[int], out: Path, account: tuple[str, str, str], journal: Path | None, reference: Path
) -> tuple[Dataset, Dataset]:
    """Let the lab's dataset follow the projects; gives it and the reference."""
    from training.cli.export import export_and_tell, tell
    from training.dataset import open_dataset
    from training.dataset.export import dataset_of
    from training.dataset.outcome import Choice
    from training.dataset.sources.cytomine import connected
    from training.learn.refined import RefinedInProject, named_in_journal

    named = None if journal is None else named_in_journal(journal)
    with connected(*account):
        for number in projects:
            export_and_tell(RefinedInProject(number, journal=named), out / "lab", Choice(prune=True))
    return open_dataset(out / "lab"), open_dataset(dataset_of(reference, out / "reference", tell))


def _hand_over(package: Path, put_to_use: bool) -> None:
    from app.segmenter.weights import use
    from app.settings import read_settings

    typer.echo(f"{package}: better, and nowhere worse.")
    if put_to_use:
        kept = use(read_settings().weights.folder, package)
        typer.echo(f"{kept} is now in use. `python -m app weights back` restores the previous weights.")
    else:
        typer.echo(f"Put it to use with `python -m app weights use {package}`.")
