"""Draw, export, train, refine with what was trained, correct, export again: the corrected outline is trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import shapely
from cytomine import Cytomine
from cytomine.models import Annotation

from app.geometry.windows import Region, Window
from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import ROOT, environment, refined
from tests.lab import BOX, DISC, HEIGHT, SECRET, WIDTH, Lab, free_port, settle
from training.dataset import Item, open_dataset
from training.dataset.cutting import painted


def training(lab: Lab, folder: Path, *arguments: str) -> str:
    """Run ``python -m training``, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *arguments], env=environment(lab), cwd=folder, capture_output=True,
        text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exported(lab: Lab, folder: Path) -> str:
    keys = ("--public-key", lab.alice.public_key, "--private-key", lab.alice.private_key)
    where = ("--out", "data", "--host", lab.cytomine.base_url)
    return training(lab, folder, "export", "cytomine", str(lab.project), *where, *keys)


@contextmanager
def served(lab: Lab, checkpoint: Path) -> Iterator[None]:
    """Run the service with a checkpoint, as its users do."""
    settings = {
        "REFINE_PLATFORM__HOST": lab.cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": lab.account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": lab.account.private_key,
        "REFINE_API__HOST": "127.0.0.1",
        "REFINE_API__PORT": str(httpx.URL(lab.service_url).port),
        "REFINE_API__SHARED_SECRET": SECRET,
        "REFINE_SEGMENTER__CHECKPOINT": str(checkpoint),
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "REFINE_SEGMENTER__MEASURE_ENGINES": "false",
    }
    process = subprocess.Popen([sys.executable, "-m", "app", "serve"], env={**os.environ, **settings}, cwd=ROOT)
    try:
        for _ in range(2400):
            assert process.poll() is None
            try:
                if httpx.get(f"{lab.service_url}/sam/ready", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def shown(lab: Lab, folder: Path) -> tuple[Item, shapely.Geometry]:
    """Give the one item of the project, and what its mask must be of."""
    dataset = open_dataset(folder / "data")
    (item,) = (each for each in dataset.items if each.dataset == f"project {lab.project}")
    location = shapely.from_wkt(lab.location(int(item.annotation)) or "")
    down = shapely.transform(location, lambda xy: np.column_stack((xy[:, 0], HEIGHT - xy[:, 1])))
    x0, y0, side = item.window
    wanted = painted(down, Window(x0, y0, side, Region(0, 0, WIDTH, HEIGHT))) > 0
    assert (dataset.mask(item) == wanted).all()
    return item, location


@pytest.mark.long
def test_the_corrected_outline_is_the_one_that_is_trained_on(tiles: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with EmbeddedCytomine(tmp_path / "cytomine", jwt_secret="s" * 64, refine_url=f"{url}/sam") as cytomine:
        lab = settle(cytomine, "the whole way", url)
        keys = (lab.alice.public_key, lab.alice.private_key)
        with Cytomine(cytomine.base_url, *keys, use_cache=False, configure_logging=False):
            drawn = Annotation(BOX.wkt, lab.image, id_project=lab.project).save()
        assert ": 1 new, 0 changed, 0 kept" in exported(lab, tmp_path)
        training(lab, tmp_path, "export", "tiles", str(tiles), "--out", "data", "--per-slide", "1")
        begin = (
            "train",
            "--data",
            "data",
            "--checkpoint",
            "embedded",
            "--epochs",
            "1",
            "--batch",
            "4",
            "--subsets",
            "1",
        )
        training(lab, tmp_path, *begin, "--out", "first")
        training(lab, tmp_path, "package", "--run", "first", "--out", "model", "--name", "ours")
        first, _ = shown(lab, tmp_path)

        with served(lab, tmp_path / "model" / "ours.pt"):
            refined(lab, tmp_path, "--annotation", str(drawn.id))
        assert ": 0 new, 1 changed, 0 kept" in exported(lab, tmp_path)
        second, outline = shown(lab, tmp_path)
        assert not outline.equals(BOX)

        corrected = shapely.union(outline, DISC).buffer(5)
        with Cytomine(cytomine.base_url, *keys, use_cache=False, configure_logging=False):
            annotation = Annotation().fetch(drawn.id)
            annotation.location = corrected.wkt
            assert annotation.update()
        assert ": 0 new, 1 changed, 0 kept" in exported(lab, tmp_path)
        third, outline = shown(lab, tmp_path)
        assert outline.equals_exact(corrected, 0.01)
        assert (first.key, first.slide) == (second.key, second.slide) == (third.key, third.slide)
        assert len({first.id, second.id, third.id}) == 3

        training(lab, tmp_path, *begin, "--out", "second")
    dataset = open_dataset(tmp_path / "data")
    assert dataset.splits[third.slide] == "train"
    record = json.loads((tmp_path / "second" / "run.json").read_text())
    assert record["origin"]["dataset_sha256"] == dataset.sha256
    files = {file.stem for file in (tmp_path / "data" / "masks").iterdir()}
    assert third.id in files
    assert not {first.id, second.id} & files
