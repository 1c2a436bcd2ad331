"""Real tissue beside the drawn slide, where scikit-image brings it; without it the demo is as it was."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import shapely
from PIL import Image

from demo.cytomine.server import EmbeddedCytomine
from demo.seeding import _people, seed_tissue
from demo.slides.tissue import GLAND, NEIGHBOUR, tissue_slide


@pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed")
def test_the_tissue_lies_in_the_project_once_with_shapes_to_refine(tmp_path: Path) -> None:
    with EmbeddedCytomine(tmp_path) as cytomine:
        seeded = _people(cytomine)
        first = seed_tissue(cytomine, tmp_path, seeded)
        assert first is not None
        assert (first.name, first.width, first.height, first.microns_per_pixel) == (
            "colonic-glands.png",
            512,
            512,
            None,
        )
        assert seed_tissue(cytomine, tmp_path, seeded) == first
        assert sorted(cytomine.store.annotation_ids(first.id)) == sorted(first.annotations)
        with Image.open(cytomine.slides / first.path) as picture:
            field = shapely.box(0, 0, *picture.size)
        assert GLAND.within(field)
        assert NEIGHBOUR.within(field)
        assert NEIGHBOUR.is_valid


def test_without_the_package_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tissue_slide(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
