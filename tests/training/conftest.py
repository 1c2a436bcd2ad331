"""Small drawn datasets for the tests of the training: real files, no downloads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.dataset import Dataset, open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources.tiles import TilesFolder
from training.tissue import draw_scene

SIDE = 320


def write_tile(folder: Path, name: str, image: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    cv2.imwrite(str(folder / f"{name}.mask.png"), labels.astype(np.uint16))


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
