"""Learning from the lab: what was refined is learned from, judged, and put to use while people go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import torch

from app.segmenter.weights import in_use
from app.settings import WeightsSettings
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC_RADIUS, HEIGHT, Lab, in_one_process, serving, settings_for, settle
from training.dataset import Dataset
from training.errors import BrokenSource
from training.learn.gate import Verdict, judged
from training.learn.refined import named_in_journal
from training.learn.together import lesson
from training.models import open_model
from training.start import Machine

ROOT = Path(__file__).resolve().parents[2]
CPU = Machine(torch.device("cpu"), mixed=False)


def test_the_lab_is_learned_from_and_the_reference_is_not_forgotten(dataset: Dataset) -> None:
    taken = lesson(dataset, dataset, most_of_reference=3)
    learned = taken.data.of("train")
    assert {item.dataset for item in learned} == {"lab", "reference"}
    assert sum(item.dataset == "reference" for item in learned) == 3
    assert {item.dataset for item in taken.data.of("validation")} == {"reference"}
    assert not {item.id for item in taken.new} & {item.id for item in learned if item.dataset == "lab"}
    assert {item.id for item in taken.reference} == {item.id for item in dataset.of("test")}
    assert not taken.new_is_seen
    taken.data.check_files(learned)
    assert taken.data.image(learned[0]).shape == (1024, 1024, 3)
    assert taken.data.mask(learned[0]).any()


def test_a_lab_of_one_side_is_learned_from_whole_and_that_is_told(dataset: Dataset) -> None:
    aside = tuple(dataset.of("test"))
    taken = lesson(Dataset(dataset.folder, aside, dataset.splits), dataset, most_of_reference=1)
    assert taken.new == list(aside)
    assert taken.new_is_seen


def test_weights_that_are_worse_do_not_pass(dataset: Dataset) -> None:
    items = dataset.of("test")[:2]
    good, bad = open_model("embedded").model, open_model("embedded").model
    with torch.no_grad():
        for name, value in bad.network.named_parameters():
            if name.startswith("sam_mask_decoder"):
                value.mul_(0.5)
    assert judged("same", dataset, items, (good, good), CPU).passes
    verdict = judged("worse", dataset, items, (good, bad), CPU)
    assert not verdict.passes
    assert "is worse by more than 0.005" in str(verdict)
    assert Verdict("a little", 9, 0.8, 0.7951).passes
    assert not Verdict("too much", 9, 0.8, 0.7949).passes


def test_a_journal_names_what_was_outlined(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text('{"annotation_id": 7, "time": "now"}\n{"annotation_id": 9}\n')
    assert named_in_journal(file) == {7, 9}
    file.write_text("no journal\n")
    with pytest.raises(BrokenSource, match="is no journal"):
        named_in_journal(file)


def learned(lab: Lab, reference: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m training learn`` as an operator does, with a step or two."""
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
    steps = ("--least", "1", "--epochs", "1", "--minutes", "0.0001", "--lr", "1e-7")
    return subprocess.run(
        [sys.executable, "-m", "training", "learn", *where, *steps, *more],
        env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


@pytest.mark.long
@in_one_process
def test_the_lab_teaches_the_service_while_it_runs(dataset: Dataset, tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path / "cytomine", jwt_secret="s" * 64) as cytomine:
        plain = settings_for(cytomine)
        settings = plain.model_copy(
            update={
                "weights": WeightsSettings(folder=tmp_path / "weights", watch_s=0.05),
                "refine": plain.refine.model_copy(update={"provenance": True}),
            }
        )
        with serving(settings) as url:
            lab = settle(cytomine, "learning", url)
            accepted, never_refined = lab.draw(BOX), lab.draw(BOX.buffer(9))
            assert lab.refine(accepted).status_code == 200
            other = lab.draw(f"POLYGON (({_around(760, 120)}))")
            preview = lab.refine(other, dry_run=True).json()["preview"]
            first = learned(lab, dataset.folder, tmp_path, "--use")
            assert first.returncode == 0, first.stdout + first.stderr
            assert "Learning from 1 objects, 1 of them new or corrected" in first.stdout
            wait_for(url, "learned")
            assert lab.refine(other, preview=preview).status_code == 409
            assert lab.refine(other).status_code == 200
            second = learned(lab, dataset.folder, tmp_path, "--use")
            assert "Learning from 2 objects, 1 of them new or corrected" in second.stdout, second.stderr
            third = learned(lab, dataset.folder, tmp_path)
            assert "0 objects are new or corrected since the last time" in third.stdout, third.stderr
            record = json.loads((tmp_path / "out" / "learn" / "learned.json").read_text())
            assert len(record["items"]) == 2
            assert all(verdict["passes"] for verdict in record["verdicts"])
            assert (in_use(tmp_path / "weights") or Path()).name.startswith("learned-")
            while in_use(tmp_path / "weights"):
                back(tmp_path)
            wait_for(url, "embedded")
            assert lab.refine(accepted).status_code == 200
    assert lab.iou(accepted) > 0.9
    assert lab.location(never_refined)


def _around(x: int, y: int) -> str:
    low, high = DISC_RADIUS + 8, HEIGHT - y
    corners = ((x - low, high - low), (x + low, high - low), (x + low, high + low), (x - low, high + low))
    return ", ".join(f"{a} {b}" for a, b in (*corners, corners[0]))


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
