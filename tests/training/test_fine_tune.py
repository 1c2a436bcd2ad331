"""Fine-tuning: it learns, it goes on where it stopped, and what it leaves is what the service loads."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from app.geometry.prompts import PointLabel, Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.checkpoint import load_checkpoint
from app.segmenter.engines.torch_engine import TorchEngine
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.usecases.ports import Claim, ModelInfo
from training.dataset import Dataset
from training.errors import BrokenRun, NoSpace
from training.finetune.batches import Batches
from training.finetune.embeddings import precomputed
from training.finetune.recipe import PRESETS, PROMPT_TYPES, Recipe, recipe_of, subsets
from training.finetune.run import BEST, LAST, STATE, Origin, Run
from training.finetune.train import fine_tune
from training.models import Sam2, gathered
from training.models.lora import add_lora, merge_lora
from training.prompts import Given
from training.start import Machine

CPU = Machine(torch.device("cpu"), mixed=False)
QUICK = Recipe(epochs=2, batch=4, learning_rate=3e-4, subsets_per_batch=1, seed=3)


def embedded() -> torch.nn.Module:
    return load_checkpoint(EMBEDDED_MODEL, "embedded")


def origin(dataset: Dataset) -> Origin:
    return Origin("embedded", "0" * 64, "embedded", "drawn", dataset.sha256, {"train": 1})


def tuned(dataset: Dataset, folder: Path, recipe: Recipe = QUICK) -> Run:
    return fine_tune(Sam2(embedded()), recipe, dataset, origin(dataset), folder, CPU)


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tuned(dataset, tmp_path_factory.mktemp("run"))


def test_a_run_leaves_checkpoints_curves_and_a_record(run: Run, dataset: Dataset) -> None:
    for name in (BEST, LAST):
        load_checkpoint(run.folder / name, "embedded")  # strict
    assert (run.folder / "curve.png").stat().st_size > 5000
    assert list((run.folder / "tensorboard").iterdir())
    record = json.loads((run.folder / "run.json").read_text())
    assert record["origin"]["dataset_sha256"] == dataset.sha256
    assert record["recipe"]["seed"] == 3
    assert [point["epoch"] for point in record["curve"]] == [0, 1, 2]
    assert ["loss" in point for point in record["curve"]] == [False, True, True]  # nothing was learnt before epoch 1
    assert record["best_validation_iou"] == max(point["iou"] for point in record["curve"])


def test_only_prompt_encoder_and_mask_decoder_have_learnt(run: Run) -> None:
    before, after = embedded().state_dict(), load_checkpoint(run.folder / LAST, "embedded").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("sam_prompt_encoder", "sam_mask_decoder")) for name in changed)
    assert not any("conv_s" in name for name in changed)


def test_stopped_and_resumed_is_the_same_run(
    dataset: Dataset, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of the second epoch; the same command ends with the same weights."""
    from training.loop import Loop

    steps = 0
    real = Loop._step

    def step(self: Any, batch: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == len(Batches(dataset, dataset.of("train"), QUICK, 256)) + 2:
            raise KeyboardInterrupt
        real(self, batch)

    monkeypatch.setattr(Loop, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        tuned(dataset, tmp_path)
    state = torch.load(tmp_path / STATE, weights_only=True)
    assert (state["progress"]["epoch"], state["progress"]["batch"]) == (1, 1)
    monkeypatch.undo()
    resumed = tuned(dataset, tmp_path)
    ours, theirs = (load_checkpoint(each.folder / LAST, "embedded").state_dict() for each in (resumed, run))
    start = embedded().state_dict()
    apart = max(float((ours[name] - theirs[name]).abs().max()) for name in ours if ours[name].numel())
    moved = max(float((start[name] - theirs[name]).abs().max()) for name in ours if ours[name].numel())
    assert apart < 0.05 * moved
    assert resumed.progress.curve[1]["iou"] == pytest.approx(run.progress.curve[1]["iou"], abs=0.01)


def test_a_folder_of_another_run_is_refused(run: Run, dataset: Dataset) -> None:
    with pytest.raises(BrokenRun, match="holds a run with another seed"):
        tuned(dataset, run.folder, Recipe(epochs=2, batch=4, learning_rate=3e-4, subsets_per_batch=1, seed=4))


def test_a_damaged_state_is_told(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes(b"nonsense")
    with pytest.raises(BrokenRun, match="is damaged"):
        tuned(dataset, tmp_path)


def test_a_full_disk_is_told(dataset: Dataset, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "best.part").symlink_to(full)
    with pytest.raises(NoSpace, match="The disk is full"):
        tuned(dataset, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("tune", ["lora", "all"])
def test_the_encoder_learns_too_if_asked(dataset: Dataset, tmp_path: Path, tune: str) -> None:
    few = Dataset(dataset.folder, (*dataset.of("train")[:4], *dataset.of("validation")[:2]), dataset.splits)
    recipe = Recipe(tune=tune, epochs=1, batch=2, learning_rate=1e-3, subsets_per_batch=1, lora_rank=2)  # type: ignore[arg-type]
    done = fine_tune(Sam2(embedded()), recipe, few, origin(few), tmp_path, CPU)
    before, after = embedded().state_dict(), load_checkpoint(done.folder / LAST, "embedded").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    encoder = {name for name in changed if name.startswith("image_encoder")}
    assert encoder
    if tune == "lora":
        assert all("attn.qkv.weight" in name or "attn.proj.weight" in name for name in encoder)


def test_merged_lora_computes_the_same() -> None:
    torch.manual_seed(0)
    model, image = embedded(), torch.randint(0, 255, (1, 3, 256, 256), dtype=torch.uint8)
    blocks = cast(Any, model).image_encoder.trunk.blocks
    with torch.no_grad():
        plain = Sam2(model).encode(image).image
        count = add_lora(blocks, rank=4)
        assert torch.equal(Sam2(model).encode(image).image, plain)  # it begins as no change
    for name, parameter in model.named_parameters():
        if name.endswith(".up"):
            torch.nn.init.normal_(parameter, std=0.02)
    with torch.no_grad():
        changed = Sam2(model).encode(image).image
        assert not torch.allclose(changed, plain, atol=1e-3)
        merge_lora(blocks)
        assert torch.allclose(Sam2(model).encode(image).image, changed, atol=1e-3)
    assert count == 2 * len(blocks)
    model.load_state_dict(embedded().state_dict(), strict=True)


def test_all_subsets_take_their_turn(dataset: Dataset) -> None:
    assert len(subsets(PROMPT_TYPES)) == 14  # of 15, negative points alone are left out
    assert subsets(("negative", "box")) == [("box",), ("box", "negative")]
    recipe = Recipe(batch=2, subsets_per_batch=3)
    batches = Batches(dataset, dataset.of("train"), recipe, 256)
    seen = {
        each.name
        for epoch in range(2)
        for number in range(len(batches))
        for each in batches._chosen_subsets(epoch, number)
    }
    assert seen == {"+".join(subset) for subset in subsets(PROMPT_TYPES)}
    assert recipe_of(("box", "negative"), 4).negative == 4


def test_where_clicks_are_learned_every_batch_has_a_box_alone_to_correct(dataset: Dataset) -> None:
    batches = Batches(dataset, dataset.of("train"), Recipe(batch=2, subsets_per_batch=2, rounds=1), 256)
    for number in range(len(batches)):
        names = [each.name for each in batches._chosen_subsets(0, number)]
        assert names.count("box") == 1
        assert len(names) == len(set(names)) >= 2


def test_clicks_are_learned_in_the_windows_of_loose_boxes(dataset: Dataset, run: Run, tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=1, prompt_types=("box",), rounds=1, single=0.5, loosened=1.0, fall=1.0)
    clicked = tuned(dataset, tmp_path, recipe)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["mask_prompt"]["learned"] is None  # nobody taught masks
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert 0 < state["optimizer"]["param_groups"][0]["lr"] < recipe.learning_rate
    assert np.isfinite(clicked.progress.curve[-1]["loss"])
    assert clicked.progress.curve[0]["iou"] != run.progress.curve[0]["iou"]  # validation sees them, too


def test_batches_are_the_same_at_every_call(dataset: Dataset) -> None:
    batches = Batches(dataset, dataset.of("train"), QUICK, 256)
    first, again = list(batches.of_epoch(1)), list(batches.of_epoch(1, first=1))
    assert len(first) == len(batches) == len(again) + 1
    for (one,), (other,) in zip(first[1:], again, strict=True):
        assert one.items == other.items
        assert torch.equal(one.prompts[0].points, other.prompts[0].points)
    assert {item.id for (batch,) in first for item in batch.items} == {item.id for item in dataset.of("train")}


def test_the_service_decodes_the_same(dataset: Dataset) -> None:
    """What is trained and measured here is what the service computes."""
    item = dataset.items[0]
    model, image = embedded(), dataset.image(item)
    info = ModelInfo("embedded", "embedded", "", "float32", "cpu")
    segmenter = Sam2Segmenter(TorchEngine(model, torch.device("cpu")), info)
    box, points = np.array(item.box).reshape(2, 2), np.array([[500.0, 480.0], [20.5, 30.5]])
    labels = (PointLabel.FOREGROUND, PointLabel.BACKGROUND)
    served = segmenter.decode(
        segmenter.encode(WindowImage(image, WindowGrid(0, 0, 1, 1)), Claim()),
        Prompts(box, points, labels),  # type: ignore[arg-type]
    )
    given = Given(np.array(item.box), points, np.array([1, 0], np.int32), None)
    with torch.inference_mode():
        embeddings = Sam2(model).encode(torch.from_numpy(image).permute(2, 0, 1)[None])
        logits, scores = Sam2(model).decode(embeddings, gathered([given], 256))
    assert np.allclose(served.logits, logits[0, 1:].numpy(), atol=1e-3)
    assert np.allclose(served.scores, scores[0, 1:].numpy(), atol=1e-4)


def test_in_the_thesis_every_object_is_a_sample_with_each_combination(dataset: Dataset) -> None:
    recipe = replace(PRESETS["thesis"], batch=7)
    items = dataset.of("train")[:4]
    batches = Batches(dataset, items, recipe, 256)
    epoch, next_epoch = list(batches.of_epoch(0)), list(batches.of_epoch(1))
    assert len(batches) == len(epoch) == 3  # 4 objects, 5 combinations
    assert sum(len(batch.items) for step in epoch for batch in step) == 20
    kinds = Counter(
        (item.id, batch.prompts[0].masks is not None, bool(batch.prompts[0].boxed[row]),
         int((batch.prompts[0].labels[row] >= 0).sum()))
        for step in epoch for batch in step for row, item in enumerate(batch.items)
    )  # fmt: skip
    expected = [(False, True, 0), (True, False, 0), (False, True, 10), (True, False, 10), (True, True, 10)]
    assert {(masked, boxed, points) for _, masked, boxed, points in kinds} == set(expected)
    assert set(kinds.values()) == {1}
    assert all(batch.truth.shape[-1] == 1024 for step in epoch for batch in step)
    boxes = [
        {(item.id, *batch.prompts[0].boxes[row].tolist()) for step in each for batch in step if len(batch.items)
         for row, item in enumerate(batch.items) if batch.prompts[0].boxed[row]}
        for each in (epoch, next_epoch)
    ]  # fmt: skip
    assert boxes[0] == boxes[1]  # drawn once
    assert len(boxes[0]) == len(items)
    order = [item.id for step in epoch for batch in step for item in batch.items]
    assert order != [item.id for step in next_epoch for batch in step for item in batch.items]


@pytest.mark.gpu
def test_mixed_precision_on_a_gpu_agrees(dataset: Dataset) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    device = torch.device("cuda")
    model, image = Sam2(embedded().to(device)), dataset.image(dataset.items[0])
    given = gathered([Given(np.array(dataset.items[0].box), np.empty((0, 2)), np.empty(0, np.int32), None)], 256)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    masks = []
    for machine in (Machine(device, mixed=False), Machine(device, mixed=True)):
        with torch.inference_mode(), machine.autocast():
            logits, _ = model.decode(model.encode(pixels), given.to(device))
        masks.append(logits[0, 1:].float() > 0)
    assert ((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()).item() > 0.97


@pytest.mark.gpu
def test_embeddings_of_a_gpu_are_those_of_the_cpu(dataset: Dataset, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    items = dataset.items[:3]
    stores = []
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        model = Sam2(embedded().to(device))
        store = precomputed(model, "0" * 64, dataset, items, tmp_path / name, device)
        stores.append(store.of(items, torch.device("cpu")))
    here, there = stores
    for one, other in zip((here.image, *here.further), (there.image, *there.further), strict=True):
        assert (one - other).abs().mean() <= 0.02 * one.abs().mean()


@pytest.mark.gpu
def test_a_run_in_mixed_precision_on_a_gpu_learns_as_on_the_cpu(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    device = torch.device("cuda")
    found = fine_tune(
        Sam2(embedded().to(device)), QUICK, dataset, origin(dataset), tmp_path, Machine(device, mixed=True)
    )
    here, there = (json.loads((each.folder / "run.json").read_text())["curve"] for each in (run, found))
    for one, other in zip(here, there, strict=True):
        assert other["iou"] == pytest.approx(one["iou"], abs=0.02)
        assert other.get("loss", 0.0) == pytest.approx(one.get("loss", 0.0), rel=0.1)
    load_checkpoint(found.folder / BEST, "embedded")  # saved from the GPU, opened on the CPU
