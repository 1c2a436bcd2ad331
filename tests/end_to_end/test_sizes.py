"""The same quality from 8 to 54,000 pixels: discs of every size on one huge slide, over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from bench.huge import SIDE_PX0, write_huge_slide
from tests.lab import Lab

DISCS = {8: (2001, 2003), 24: (2511, 2007), 120: (2013, 2609), 3_000: (5501, 5507), 54_000: (30_011, 30_007)}


@pytest.fixture(scope="module")
def huge_slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("huge") / "huge.tiff"
    write_huge_slide(file, DISCS)
    return file


@pytest.mark.parametrize("diameter", DISCS)
def test_every_size(lab: Lab, huge_slide: Path, diameter: int) -> None:
    link = lab.cytomine.slides / "huge.tiff"
    if not link.exists():
        link.symlink_to(huge_slide)
    lab.image = lab.cytomine.store.add_image(lab.project, lab.alice.id, link.name, SIDE_PX0, SIDE_PX0)
    truth = flip_geometry(shapely.Point(*DISCS[diameter]).buffer(diameter / 2, quad_segs=64), SIDE_PX0)
    x0, y0, x1, y1 = truth.bounds
    drawn = shapely.box(x0 - 0.09 * diameter, y0 - 0.05 * diameter, x1 + 0.06 * diameter, y1 + 0.1 * diameter)
    number = lab.draw(drawn)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    refined = shapely.from_wkt(lab.location(number))
    assert iou(refined, truth) > 0.85 > iou(drawn, truth)
    assert shapely.get_num_coordinates(refined) < 200
    asked = [seen for seen in lab.cytomine.faults.requests if seen.path.endswith(f"/{link.name}/window")]
    assert len(asked) == 1
