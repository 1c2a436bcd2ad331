"""The reference does the whole work that ours is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import cv2
import numpy as np
import pytest
import shapely

from app.geometry.frames import Roi
from app.geometry.windows import Region
from app.usecases.ports import Plane, Slide
from bench.clicking import clicking
from bench.crowd import _is_right
from bench.reference import CODE, READINGS, TEXT, Reading, cleaned, outline_of, outline_of_mask, window_of
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


def test_small_parts_are_taken_away() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[20:120, 30:130] = 1
    mask[150:165, 150:165] = 1  # 2 % of the large one
    kept = cleaned(mask)
    assert kept[60, 60]
    assert not kept[157, 157]
    shape = outline_of_mask(kept, Region(1000, 2000, 200, 200), 10_000)
    assert shape is not None
    assert shape.bounds == pytest.approx((1030, 10_000 - 2119, 1129, 10_000 - 2020), abs=2)


def test_an_empty_mask_has_no_outline() -> None:
    nothing = cleaned(np.zeros((50, 50), np.uint8))
    assert outline_of_mask(nothing, Region(0, 0, 50, 50), 100) is None


class Disc:
    """Pixels of a slide that shows one dark disc; what is asked for comes in the size that is asked for."""

    def __init__(self, x: float, y: float, radius: float) -> None:
        self._x, self._y, self._radius = x, y, radius
        self.asked: list[int] = []

    def region(self, slide: Slide, plane: Plane, region: Region, length: int) -> bytes:
        self.asked.append(length)
        scale = length / max(region.width, region.height)
        pixels = np.full((round(region.height * scale), round(region.width * scale), 3), 235, np.uint8)
        centre = ((self._x - region.left) * scale, (self._y - region.top) * scale)
        cv2.circle(pixels, (round(centre[0]), round(centre[1])), round(self._radius * scale), (90, 60, 140), -1)
        return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


class Dark:
    """A predictor that finds what is dark in its box."""

    def set_image(self, image: np.ndarray) -> None:
        self._dark = image.mean(2) < 160

    def predict(self, *, box: np.ndarray, **_: object) -> tuple[np.ndarray, np.ndarray, None]:
        inside = np.zeros_like(self._dark)
        inside[box[1] : box[3], box[0] : box[2]] = True
        return np.stack([inside, self._dark & inside]), np.array([0.1, 0.9]), None


@pytest.mark.parametrize(("reading", "asked"), [(CODE, 8000), (TEXT, 1024)])
def test_a_large_region_is_scaled_and_not_cropped(reading: Reading, asked: int) -> None:
    slide, source = Slide(1, 60_000, 50_000, ""), Disc(30_000, 25_000, 9_000)
    found = outline_of(Dark(), source, slide, Roi(20_000, 15_000, 40_000, 35_000), reading)
    assert source.asked == [asked]
    assert found is not None
    disc = shapely.Point(30_000, 25_000).buffer(9_000)
    assert found.intersection(disc).area / found.union(disc).area > 0.97


def test_a_small_region_is_read_alike() -> None:
    slide = Slide(1, 4000, 4000, "")
    outlines = []
    for reading in READINGS:
        source = Disc(1000, 1000, 90)
        outlines.append(outline_of(Dark(), source, slide, Roi(900, 900, 1100, 1100), reading))
        assert source.asked == [400]
    assert outlines[0] == outlines[1]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((900.0, 450.0, 1100.0, 550.0), (800, 300, 400)),  # twice the longer side, centred
        ((0.0, 0.0, 100.0, 50.0), (0, 0, 200)),  # moved onto the slide
        ((0.0, 0.0, 2000.0, 900.0), (400, 0, 1200)),  # no larger than the slide, even if it cuts the object
    ],
)
def test_windows_are_those_of_the_authors_code(
    box: tuple[float, float, float, float], expected: tuple[int, int, int]
) -> None:
    found = window_of(Roi(*box), 2400, 1200)
    assert (found.left, found.top, found.width) == expected
    assert found.height == found.width


def test_several_parts_are_kept() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[20:80, 20:80] = mask[120:180, 120:180] = 1
    shape = outline_of_mask(mask, Region(0, 0, 400, 400), 1000)  # fetched at half of its size
    assert shape is not None
    assert shape.geom_type == "MultiPolygon"
    assert shape.bounds == pytest.approx((40, 1000 - 358, 358, 960))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_points_of_others_are_none_of_its_business(stage: Stage) -> None:
    number = stage.draw(points=1)
    centre = shapely.from_wkt(stage.cytomine.store.location(number) or "").centroid
    foreign = stage.cytomine.store.add_annotation(stage.image.id, stage.seeded.users[1].id, centre.wkt)
    try:
        reference = stage.reference()
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"the package's own predictor does not run here: {error}")
    with closing(reference):
        reference(number)
    assert stage.cytomine.store.location(number + 1) is None
    assert stage.cytomine.store.location(foreign) is not None
