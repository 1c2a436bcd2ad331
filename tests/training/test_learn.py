"""Learning from the lab: what was refined is learned from, judged, and put to use while people go on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import shapely
import torch
from cytomine.models import Annotation
from shapely.affinity import scale

from app.geometry.contours import trace_polygons
from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from app.segmenter.weights import in_use
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import WeightsSettings
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC_RADIUS, HEIGHT, Lab, in_one_process, serving, settings_for, settle
from tests.training.conftest import write_tile
from training.dataset import Dataset, open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources.cytomine import connected
from training.dataset.sources.tiles import TilesFolder
from training.errors import BrokenSource
from training.finetune.recipe import Recipe
from training.learn.confidence import measured, on_a_card, told
from training.learn.gate import Verdict, judged, refusal
from training.learn.refined import named_in_journal
from training.learn.round import Start, learn
from training.learn.together import lesson
from training.models import open_model
from training.package import About
from training.start import Machine
from training.tissue import draw_scene

SIDE, ON_A_SLIDE, MARGIN = 448, 8, 1.35
"""Of the slides of a laboratory that outlines whole cells; the margin is the cell's extent over its nucleus'."""
LESSON = ("--epochs", "1", "--lr", "1e-4")
ROOT = Path(__file__).resolve().parents[2]
CPU = Machine(torch.device("cpu"), mixed=False)


def test_the_lab_is_learned_from_and_the_reference_is_not_forgotten(dataset: Dataset) -> None:
    taken = lesson(dataset, dataset, most_of_reference=3)
    learned = taken.data.of("train")
    assert {item.dataset for item in learned} == {"lab", "reference"}
    assert sum(item.dataset == "reference" for item in learned) == 3
    assert {item.dataset for item in taken.data.of("validation")} == {"lab", "reference"}
    assert {item.id for item in taken.new} == {item.id for item in dataset.of("test")}
    assert not {item.id for item in taken.new} & {item.id for item in learned if item.dataset == "lab"}
    assert {item.id for item in taken.reference} == {item.id for item in dataset.of("test")}
    assert not taken.new_is_seen
    taken.data.check_files(learned)
    assert taken.data.image(learned[0]).shape == (1024, 1024, 3)
    assert taken.data.mask(learned[0]).any()


def test_of_a_lab_of_one_slide_some_objects_are_kept_aside_and_that_is_told(dataset: Dataset) -> None:
    some = tuple(dataset.of("train"))  # one side of a split, as one slide would be
    taken = lesson(Dataset(dataset.folder, some, dataset.splits), dataset, most_of_reference=1)
    assert len(taken.new) == len(some) // 5
    assert taken.same_slides
    assert not taken.new_is_seen
    sides = [{item.id for item in taken.data.of(side) if item.dataset == "lab"} for side in ("train", "validation")]
    sides.append({item.id for item in taken.new})
    assert set.union(*sides) == {item.id for item in some}
    assert sum(map(len, sides)) == len(some)


def test_of_a_few_objects_none_is_kept_aside_and_that_is_told(dataset: Dataset) -> None:
    few = tuple(dataset.of("test"))[:4]
    taken = lesson(Dataset(dataset.folder, few, dataset.splits), dataset, most_of_reference=1)
    assert {item.id for item in taken.new} == {item.id for item in few}
    assert taken.new_is_seen


def test_weights_that_are_worse_or_unchanged_do_not_pass(dataset: Dataset) -> None:
    items = dataset.of("test")[:3]
    good, bad = open_model("embedded").model, open_model("embedded").model
    with torch.no_grad():
        for name, value in bad.network.named_parameters():
            if name.startswith("sam_mask_decoder"):
                value.mul_(0.5)
    same = judged("same", dataset, items, (good, good), CPU)
    assert same.passes
    assert not same.proves
    assert "Nothing shows that the new weights are better" in (refusal([same, same]) or "")
    worse = judged("these", dataset, items, (good, bad), CPU)
    assert not worse.passes
    assert "worse by more than 0.005" in str(worse)
    assert refusal([same, worse]) == "The new weights are worse by more than 0.005: these."
    better = judged("these", dataset, items, (bad, good), CPU)
    assert better.proves
    assert refusal([same, better]) is None
    assert better.error > 0


def test_a_gain_counts_if_it_is_large_sure_and_not_taught() -> None:
    little_worse = Verdict("reference", 9, 0.8, 0.7951)
    assert little_worse.passes
    assert not Verdict("too much", 9, 0.8, 0.7949).passes
    assert refusal([Verdict("new", 90, 0.8, 0.806, 0.002), little_worse]) is None
    for unproven in (
        Verdict("small", 90, 0.8, 0.804, 0.0001),
        Verdict("by chance", 9, 0.8, 0.82, 0.011),
        Verdict("one object", 1, 0.8, 0.9, float("inf")),
        Verdict("taught", 90, 0.8, 0.9, 0.002, taught=True),
    ):
        assert refusal([unproven, little_worse]), unproven
        assert refusal([unproven, Verdict("reference", 90, 0.8, 0.81, 0.002)]) is None, unproven


def test_a_confidence_that_cannot_be_measured_is_told_and_not_invented(dataset: Dataset) -> None:
    some = dataset.of("test")[:1]
    found = measured(open_model("embedded"), [(dataset, some)], CPU, seed=0)
    assert isinstance(found, str)
    assert on_a_card(found) == {"uncalibrated": found}
    assert told(found).startswith("The confidence of the new weights is uncalibrated. A calibration needs objects on")


def in_odd_stain(image: np.ndarray) -> np.ndarray:
    """Show tissue as a green fluorescence."""
    light = 255 - image.astype(np.float32).mean(2)
    return np.stack([0.1 * light, light, 0.2 * light], 2).astype(np.uint8)


@pytest.fixture(scope="module")
def odd_lab(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("lab")
    for number in range(12):
        scene = draw_scene(np.random.default_rng([5, number]), "nuclei", side=448)
        write_tile(folder / "tiles", f"lab_{number:02d}", in_odd_stain(scene.image), scene.labels)
    export(TilesFolder(folder / "tiles"), folder / "data", Choice(per_slide=8))
    return open_dataset(folder / "data")


@pytest.mark.long
def test_weights_that_a_round_leaves_unchanged_or_spoils_are_not_packaged(
    odd_lab: Dataset, dataset: Dataset, tmp_path: Path
) -> None:
    few = Dataset(odd_lab.folder, odd_lab.items[:8], odd_lab.splits)
    for rate in (0.0, 0.05):
        recipe = Recipe(epochs=1, learning_rate=rate, batch=4, subsets_per_batch=1, prompt_types=("box",))
        folder = tmp_path / str(rate)
        outcome = learn(few, dataset, Start(EMBEDDED_MODEL, "embedded"), recipe, About("ours", "none"), folder, CPU)
        assert outcome.package is None
        assert "Nothing shows that the new weights are better" in (outcome.refused or "")
        assert all(each.after == pytest.approx(each.before, abs=1e-6) for each in outcome.verdicts)


def test_a_journal_names_what_was_outlined(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text('{"annotation_id": 7, "time": "now"}\n{"annotation_id": 9}\n')
    assert named_in_journal(file) == {7, 9}
    file.write_text("no journal\n")
    with pytest.raises(BrokenSource, match="is not a journal"):
        named_in_journal(file)


@contextmanager
def lab_that_learns(folder: Path) -> Iterator[Lab]:
    """Run a service that notes provenance, and takes weights as soon as they are put to use in ``weights``."""
    with EmbeddedCytomine(folder / "cytomine", jwt_secret="s" * 64) as cytomine:
        plain = settings_for(cytomine)
        settings = plain.model_copy(
            update={
                "weights": WeightsSettings(folder=folder / "weights", watch_s=0.05),
                "refine": plain.refine.model_copy(update={"provenance": True}),
            }
        )
        with serving(settings) as url:
            yield settle(cytomine, "learning", url)


A_STEP = ("--epochs", "1", "--minutes", "0.0001", "--lr", "1e-7")


def learned(
    lab: Lab, reference: Path, folder: Path, *more: str, steps: tuple[str, ...] = A_STEP
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m training learn`` as an operator does, with a step or two where nothing else is said."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}",
        "REFINE_PLATFORM__HOST": lab.cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": lab.account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": lab.account.private_key,
        "REFINE_SEGMENTER__DEMO_MODEL": "true",
        "REFINE_WEIGHTS__FOLDER": str(folder / "weights"),
    }
    where = ("--project", str(lab.project), "--reference", str(reference))
    return subprocess.run(
        [sys.executable, "-m", "training", "learn", *where, "--least", "1", *steps, *more],
        env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


@pytest.mark.long
@in_one_process
def test_what_is_not_shown_to_be_better_stays_out_and_weights_change_while_the_service_runs(
    dataset: Dataset, tmp_path: Path
) -> None:
    with lab_that_learns(tmp_path) as lab:
        accepted, never_refined = lab.draw(BOX), lab.draw(BOX.buffer(9))
        assert lab.refine(accepted).status_code == 200
        other = lab.draw(f"POLYGON (({_around(760, 120)}))")
        preview = lab.refine(other, dry_run=True).json()["preview"]
        first = learned(lab, dataset.folder, tmp_path, "--use")
        assert first.returncode == 1, first.stdout + first.stderr
        assert "Learning from 1 objects, 1 of them new or corrected" in first.stdout
        assert "Nothing shows that the new weights are better" in first.stdout
        assert "Nothing was packaged; the previous weights stay in use." in first.stdout
        assert in_use(tmp_path / "weights") is None
        put_to_use(other_weights(tmp_path), tmp_path)
        wait_for(lab.service_url, "other")
        assert lab.refine(other, preview=preview).status_code == 409
        assert lab.refine(other).status_code == 200
        second = learned(lab, dataset.folder, tmp_path)
        assert "Learning from 2 objects, 1 of them new or corrected" in second.stdout, second.stderr
        third = learned(lab, dataset.folder, tmp_path)
        assert "0 objects are new or corrected since the last time" in third.stdout, third.stderr
        record = json.loads((tmp_path / "out" / "learn" / "learned.json").read_text())
        assert len(record["items"]) == 2
        assert record["packaged"] is None
        assert not any(verdict["proves"] for verdict in record["verdicts"])
        assert (in_use(tmp_path / "weights") or Path()).name.startswith("other-")
        back(tmp_path)
        wait_for(lab.service_url, "embedded")
        assert lab.refine(accepted).status_code == 200
    assert lab.iou(accepted) > 0.9
    assert lab.location(never_refined)


@dataclass(frozen=True)
class OddSlide:
    """Green nuclei on black, and how this laboratory outlines them: with a margin, as whole cells."""

    lab: Lab
    wanted: list[shapely.Polygon]
    """Platform frame."""


def odd_slide(lab: Lab, number: int) -> OddSlide:
    """Put a slide into the lab's project."""
    scene = draw_scene(np.random.default_rng([5, number]), "nuclei", side=SIDE)
    file = f"odd_{number}.png"
    cv2.imwrite(str(lab.cytomine.slides / file), in_odd_stain(scene.image)[..., ::-1])
    image = lab.cytomine.store.add_image(lab.project, lab.alice.id, file, SIDE, SIDE)
    wanted = []
    for each in scene.objects:
        nucleus = max(trace_polygons(scene.labels == each.label), key=lambda part: part.area)
        cell = scale(flip_geometry(nucleus, SIDE), MARGIN, MARGIN)
        if nucleus.area > 150 and shapely.box(0, 0, SIDE, SIDE).contains(loosely(cell)):
            wanted.append(cell)
    return OddSlide(replace(lab, image=image), wanted[:ON_A_SLIDE])


def loosely(cell: shapely.Polygon) -> shapely.Polygon:
    """Draw a box around a cell."""
    return scale(shapely.box(*cell.bounds), 1.15, 1.2)


def accept_and_correct(slide: OddSlide) -> None:
    """Refine every cell of a slide through the service, then let its owner correct the outline in Core."""
    lab = slide.lab
    with connected(lab.cytomine.base_url, lab.alice.public_key, lab.alice.private_key):
        for cell in slide.wanted:
            number = lab.draw(loosely(cell))
            assert lab.refine(number).status_code == 200
            corrected = Annotation(id=number).fetch()
            corrected.location = cell.wkt
            assert corrected.update()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nuclei as everybody stains and outlines them: what must not get worse."""
    folder = tmp_path_factory.mktemp("usual")
    for number in range(10):
        scene = draw_scene(np.random.default_rng([9, number]), "nuclei", side=SIDE)
        write_tile(folder / "tiles", f"nuclei_{number:02d}", scene.image, scene.labels)
    export(TilesFolder(folder / "tiles"), folder / "data", Choice(per_slide=7))
    return folder / "data"


def outlines(slide: OddSlide, drawn: list[int]) -> list[shapely.Geometry]:
    """Ask the service for outlines of boxes that stay as they are."""
    answers = [slide.lab.refine(number, dry_run=True) for number in drawn]
    return [shapely.from_wkt(each.raise_for_status().json()["location"]) for each in answers]


@pytest.mark.long
@in_one_process
def test_what_a_lab_corrects_makes_better_weights_that_the_running_service_takes_and_gives_back(
    usual: Path, tmp_path: Path
) -> None:
    with lab_that_learns(tmp_path) as lab:
        *taught, unseen = (odd_slide(lab, number) for number in range(6))
        for slide in taught:
            accept_and_correct(slide)
        boxes = [unseen.lab.draw(loosely(cell)) for cell in unseen.wanted]
        before = outlines(unseen, boxes)
        done = learned(lab, usual, tmp_path, "--use", steps=LESSON)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Learning from {len(taught) * ON_A_SLIDE} objects" in done.stdout
        record = json.loads((tmp_path / "out" / "learn" / "learned.json").read_text())
        new, reference = record["verdicts"]
        assert new["proves"], record
        assert not new["taught"]
        assert reference["passes"], record
        wait_for(lab.service_url, "learned")
        after = outlines(unseen, boxes)
        gains = [iou(new, cell) - iou(old, cell) for old, new, cell in zip(before, after, unseen.wanted, strict=True)]
        assert np.mean(gains) > 0.05, gains
        back(tmp_path)
        wait_for(lab.service_url, "embedded")
        assert all(iou(old, again) > 0.999 for old, again in zip(before, outlines(unseen, boxes), strict=True))


def _around(x: int, y: int) -> str:
    low, high = DISC_RADIUS + 8, HEIGHT - y
    corners = ((x - low, high - low), (x + low, high - low), (x + low, high + low), (x - low, high + low))
    return ", ".join(f"{a} {b}" for a, b in (*corners, corners[0]))


def other_weights(folder: Path) -> Path:
    """Write weights that differ from the embedded ones by next to nothing."""
    state = torch.load(EMBEDDED_MODEL, weights_only=True)["model"]
    file = folder / "other.pt"
    torch.save({"model": {name: value.float() * 1.0001 for name, value in state.items()}}, file)
    card = {"name": "other", "config": "embedded", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    file.with_suffix(".json").write_text(json.dumps(card))
    return file


def put_to_use(checkpoint: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "app", "weights", "use", str(checkpoint), "--folder", str(folder / "weights")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


def back(folder: Path) -> None:
    command = [sys.executable, "-m", "app", "weights", "back", "--folder", str(folder / "weights")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)


def wait_for(url: str, name: str) -> None:
    import time

    for _ in range(1200):
        if httpx.get(f"{url}/health", trust_env=False).json()["model"]["name"] == name:
            return
        time.sleep(0.05)
    raise TimeoutError(name)
