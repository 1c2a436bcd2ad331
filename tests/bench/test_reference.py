"""The reference does the whole work that ours is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from app.geometry.windows import Region
from bench.clicking import clicking
from bench.crowd import _is_right
from bench.reference import cleaned, polygon_of
from bench.stage import Stage, figure, refine, staged
from tests.slides import place_drawn_slide


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("bench")
    place_drawn_slide(folder)
    with staged(folder, "embedded", "torch-float32") as stage:
        yield stage


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, from inside the package's own predictor
def test_it_writes_the_shape_and_deletes_the_points(stage: Stage) -> None:
    number = stage.draw(points=2)
    drawn = stage.cytomine.store.location(number)
    try:
        reference = stage.reference()
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"the package's own predictor does not run here: {error}")
    with closing(reference):
        read = reference(number)
    x0, y0, x1, y1 = stage.sample.shape.bounds
    assert read > (x1 - x0) * (y1 - y0) / 100  # it came as pixels of the full resolution
    assert stage.cytomine.store.location(number) != drawn
    assert [stage.cytomine.store.location(point) for point in (number + 1, number + 2)] == [None, None]


def test_every_box_is_a_new_one(stage: Stage) -> None:
    first, second = (stage.cytomine.store.location(stage.draw(points=0)) for _ in range(2))
    assert first != second


def test_a_refine_of_the_service_is_right_only_for_its_own_annotation(stage: Stage) -> None:
    number, other = stage.draw(), stage.draw(points=0)
    with stage.service() as service:
        answer = service.refine(number)
        assert answer.status_code == 200, answer.text
        assert _is_right(stage, number, answer)
        assert not _is_right(stage, other, answer)
        assert figure(service, 'refine_windows_total{source="encoder"}') == 1
        with pytest.raises(RuntimeError, match="annotation-not-found"):
            refine(service, 10**9)


def test_clicks_are_measured_of_one_person_and_of_several_at_once(stage: Stage) -> None:
    alone, crowd = clicking(stage, 1, people=2)
    assert (alone.n, crowd.n) == (8, 16)
    assert crowd.reference == alone.ours
    assert alone.reference is not None


def test_small_parts_are_taken_away_and_the_longest_outline_kept() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[20:120, 30:130] = 1
    mask[150:165, 150:165] = 1  # 2 % of the large one
    kept = cleaned(mask)
    assert kept[60, 60]
    assert not kept[157, 157]
    shape = polygon_of(kept, Region(1000, 2000, 200, 200), 10_000)
    assert shape is not None
    assert shape.bounds == pytest.approx((1030, 10_000 - 2119, 1129, 10_000 - 2020), abs=2)


def test_an_empty_mask_has_no_outline() -> None:
    nothing = cleaned(np.zeros((50, 50), np.uint8))
    assert polygon_of(nothing, Region(0, 0, 50, 50), 100) is None
