"""Small drawn datasets for the tests of the training: real files, no downloads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from app.segmenter.weights.choice import EMBEDDED_MODEL
from training.dataset import Dataset, open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources.tiles import TilesFolder
from training.tissue import draw_scene

SIDE = 320


def write_tile(folder: Path, name: str, image: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    cv2.imwrite(str(folder / f"{name}.mask.png"), labels.astype(np.uint16))


def spoilt_weights(folder: Path) -> Path:
    """Write the embedded weights with noise on what turns tokens into masks: some steps teach the rest."""
    state = torch.load(EMBEDDED_MODEL, weights_only=True)["model"]
    generator = torch.Generator().manual_seed(0)
    for name, value in state.items():
        if "output_hypernetworks_mlps" in name and value.ndim == 2:
            noise = torch.randn(value.shape, generator=generator) * value.float().std()
            state[name] = (0.5 * noise - 0.3 * value.float()).half()
    file = folder / "spoilt.pt"
    torch.save({"model": state}, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps({"name": "spoilt", "config": "embedded", "sha256": sha256}))
    return file


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tiles of drawn nuclei and four of drawn glands."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = ["name,object_type,mpp"]
    for kind, number in [(kind, number) for kind in ("nuclei", "glands") for number in range(4)]:
        scene = draw_scene(np.random.default_rng([77, number]), kind, side=SIDE)
        name = f"{kind}_{number:02d}"
        write_tile(folder, name, scene.image, scene.labels)
        rows.append(f"{name},{kind[:5]} type,0.5")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def dataset(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("dataset")
    export(TilesFolder(tiles), folder, Choice(per_slide=5))
    return open_dataset(folder)
