"""``train``: fine-tune a checkpoint on a dataset folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.finetune.recipe import Recipe
    from training.finetune.run import Run
    from training.models import Loaded
    from training.start import Machine


SINGLE = 0.5
"""Weight of the single-mask token in interactive training."""
FALL = 0.5
"""Share of an interactive training, at its end, in which the learning rate falls."""


class Tuned(StrEnum):
    """What learns."""

    decoder = "decoder"
    lora = "lora"
    all = "all"


class LossName(StrEnum):
    """See `training.finetune.losses`."""

    bce_iou = "bce-iou"
    sam = "sam"
    bce = "bce"
    original_sam = "original-sam"
    original_sam2 = "original-sam2"


class RecipeName(StrEnum):
    """See `training.finetune.recipe`."""

    ours = "ours"
    thesis = "thesis"


class Precision(StrEnum):
    """Of the computation; parameters stay float32."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


Data = Annotated[Path, typer.Option(help="Dataset folder, or folder of tiles with masks.")]
Config = Annotated[
    str | None,
    typer.Option(
        help="Architecture: SAM 2.1 (sam2.1_hiera_t, _s, _b+, _l, embedded, a YAML file), SAM (sam_vit_b, _l, _h), or"
        " either with a histology encoder (uni2-h,interpolation and others: docs/models.md); default: its own."
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option(help="Weights of the histology encoder: a file, a folder, or random; default: the pulled ones."),
]
Device = Annotated[str, typer.Option(help="Device: auto, cpu or cuda:N.")]


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the run; give the same one again to continue it.")],
    checkpoint: Annotated[
        str, typer.Option(help="What to start from: a file, the name of pulled weights, embedded or random.")
    ] = "base_plus",
    config: Config = None,
    encoder: Encoder = None,
    recipe: Annotated[
        RecipeName | None,
        typer.Option(
            help="The thesis' recipe, or ours, which takes a fifth of the steps; the other options change either.",
            show_default="thesis; ours with --interactive",
        ),
    ] = None,
    datasets: Annotated[
        str | None, typer.Option(help="Parts of the data to train on: A,B.", show_default="all")
    ] = None,
    tune: Annotated[
        Tuned, typer.Option(help="What to train: prompt encoder and mask decoder, these and LoRA, or everything.")
    ] = Tuned.decoder,
    loss: Annotated[
        LossName,
        typer.Option(
            help="Loss: BCE + 0.05 |IoU error|; 20 focal + Dice + IoU; BCE; or the thesis' versions of the originals."
        ),
    ] = LossName.bce_iou,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs to train.")] = 30,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size; default: 16, or 4 where the image encoder is trained.")
    ] = None,
    lr: Annotated[float, typer.Option(min=0.0, help="Learning rate of AdamW.")] = 1e-5,
    weight_decay: Annotated[float, typer.Option(min=0.0, help="Weight decay of AdamW.")] = 1e-4,
    prompts: Annotated[
        str, typer.Option(help="Types of prompts to train on, with all their subsets.")
    ] = "box,mask,positive,negative",
    subsets: Annotated[int, typer.Option(min=1, help="With ours: subsets of the prompts for each batch.")] = 3,
    patience: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Stop after this many epochs without a better validation; 0: never.",
            show_default="thesis: 0; ours: 6",
        ),
    ] = None,
    lora_rank: Annotated[int, typer.Option(min=1, help="Rank of the LoRA matrices, with --tune lora.")] = 8,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive",
            help="Also train on simulated corrections: clicks where the answer to the first prompts is most wrong;"
            " and train the single-mask token, and boxes that lie far off.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of corrections, with --interactive.")] = 2,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Rotate, mirror and recolour windows; each is then encoded in every epoch."),
    ] = False,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches per step, for steps larger than memory allows.")] = 1,
    minutes: Annotated[
        float, typer.Option(min=0.0, help="Stop after this long, validate and save; 0: no limit.")
    ] = 0.0,
    precision: Annotated[
        Precision, typer.Option(help="Precision; auto is bfloat16 on a GPU, else float32.")
    ] = Precision.auto,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Fine-tune a checkpoint on a dataset; stop with Ctrl-C, continue with the same command."""
    from training.early import check_out, check_training_data
    from training.finetune.recipe import PRESETS, PROMPT_TYPES
    from training.models import open_model
    from training.start import machine

    types = tuple(kind.strip() for kind in prompts.split(","))
    if not set(types) <= set(PROMPT_TYPES) or types == ("negative",):
        raise typer.BadParameter(
            f"choose among {', '.join(PROMPT_TYPES)}; negative never alone", param_hint="--prompts"
        )
    check_training_data(data)
    check_out(out)
    where, start = machine(device, precision.value), open_model(checkpoint, config, encoder)
    preset = PRESETS[(recipe or (RecipeName.ours if interactive else RecipeName.thesis)).value]
    chosen = replace(
        preset, tune=tune.value, loss=loss.value, epochs=epochs, batch=batch or (16 if tune is Tuned.decoder else 4),
        learning_rate=lr, weight_decay=weight_decay, prompt_types=types, subsets_per_batch=subsets,
        patience=preset.patience if patience is None else patience, lora_rank=lora_rank, seed=seed,
        datasets=tuple(name.strip() for name in datasets.split(",")) if datasets else (),
        augment=augment, accumulate=accumulate, minutes=minutes,
        rounds=rounds if interactive else 0, single=SINGLE if interactive else 0.0, fall=FALL if interactive else 0.0,
    )  # fmt: skip
    typer.echo(told(run_training(data, out, start, chosen, where), out))


def run_training(data: Path, out: Path, start: Loaded, recipe: Recipe, where: Machine) -> Run:
    """Make a dataset of the data, if they are none, and fine-tune."""
    from training.cli.export import tell
    from training.dataset import open_dataset
    from training.dataset.export import dataset_of
    from training.early import check_out, room_for_training
    from training.finetune.run import Origin
    from training.finetune.train import fine_tune

    dataset = open_dataset(dataset_of(data, out / "data", tell)).only(recipe.datasets)
    check_out(out, room_for_training(start.model, recipe, dataset, out))
    counts = Counter(dataset.splits[item.slide] for item in dataset.items)
    origin = Origin(start.name, start.sha256, start.config, data.name, dataset.sha256, dict(sorted(counts.items())))
    return fine_tune(start.model, recipe, dataset, origin, out, where)


def told(run: Run, out: Path) -> str:
    """Say how a training ended."""
    before, best = run.progress.curve[0]["iou"], run.progress.best_iou
    if run.progress.best_epoch == 0:
        return f"{out}: no epoch was better than the weights it began with (validation IoU {before:.4f})."
    return (
        f"{out / 'best.pt'}: validation IoU {before:.4f} before, {best:.4f} after epoch {run.progress.best_epoch}."
        f" Curves: {out / 'curve.png'}, or tensorboard --logdir {out / 'tensorboard'}"
    )
