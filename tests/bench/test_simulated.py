"""The simulated model takes its time, and says what anybody can check."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator

import numpy as np
import pytest
import shapely

from app.errors import ModelBusy
from app.geometry.frames import Roi, SlideXY
from app.geometry.outlines import outline_of
from app.geometry.prompts import prompts_in_window
from app.geometry.windows import WindowGrid, WindowImage, plan_window
from app.usecases.ports import Claim
from bench.encode import many
from bench.load.simulated import SimulatedSegmenter, Simulation
from bench.load.world import drawn_around, random_object


def image_of(roi: Roi, side_pxw: int) -> WindowImage:
    window = plan_window(roi, 8192, 6144)
    scale = window.side_px0 / side_pxw
    return WindowImage(np.zeros((side_pxw, side_pxw, 3), np.uint8), WindowGrid(window.x0, window.y0, scale, scale))


@pytest.fixture
def segmenter() -> Iterator[SimulatedSegmenter]:
    made = SimulatedSegmenter(Simulation(encode_s=0.05, embedding_share=0.01))
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side_pxw", [100, 1024])
def test_the_outline_is_the_object_whatever_the_box(segmenter: SimulatedSegmenter, seed: int, side_pxw: int) -> None:
    rng = np.random.default_rng(seed)
    thing = random_object(rng, 8192, 6144)
    box = drawn_around(rng, thing)
    image = image_of(box, side_pxw)
    embedding = segmenter.encode(image, Claim())
    masks = segmenter.decode(embedding, prompts_in_window(box, (), image.grid))
    shape = outline_of(masks.logits[masks.best], image.grid, (side_pxw, side_pxw))
    assert shape is not None
    truth = shapely.box(thing.x_min, thing.y_min, thing.x_max, thing.y_max)
    assert shape.intersection(truth).area / shape.union(truth).area > 0.98


def test_it_takes_its_time_and_no_less(segmenter: SimulatedSegmenter) -> None:
    image = image_of(Roi(100, 100, 200, 200), 64)
    start = time.monotonic()
    segmenter.encode(image, Claim())
    assert time.monotonic() - start >= 0.05


def test_a_full_line_refuses_and_says_when(segmenter: SimulatedSegmenter) -> None:
    image = image_of(Roi(100, 100, 200, 200), 64)
    segmenter.encode(image, Claim())
    with pytest.raises(ModelBusy) as refused:
        segmenter.encode(image, Claim(deadline=time.monotonic() + 0.01))
    assert refused.value.retry_after_s >= 1.0


def test_an_embedding_has_its_size_and_travels() -> None:
    made = SimulatedSegmenter(Simulation(encode_s=0.0))
    embedding = made.encode(image_of(Roi(100, 100, 200, 200), 64), Claim())
    made.close()
    assert embedding.nbytes == 16 * 2**20
    there = pickle.loads(pickle.dumps(embedding))
    assert there.nbytes == embedding.nbytes
    corners = SlideXY(np.array([[10.0, 20.0]]))
    assert (there.grid.to_window(corners) == embedding.grid.to_window(corners)).all()


def test_a_simulation_is_one_line_and_back() -> None:
    simulation = Simulation(encode_s=0.125, side_px=256, workers=2)
    assert Simulation.from_text(simulation.to_text()) == simulation


def test_many_at_once_are_counted_by_the_second() -> None:
    made = SimulatedSegmenter(Simulation(encode_s=0.005, embedding_share=0.001, workers=4, max_waiting=100))
    found = many("encode", made, image_of(Roi(100, 100, 200, 200), 64), [10.0, 20.0])
    made.close()
    assert (found.reference, found.unit, found.n) == (15.0, "windows/s", 2)
    assert 0 < found.ours <= 4 / 0.005
