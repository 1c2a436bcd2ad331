import pytest
import shapely

from app.errors import InvalidPrompt, RoiOutsideSlide, SlideNotFound, TooManyPoints
from app.geometry.polygons import iou
from app.geometry.prompts import PointLabel
from app.usecases.embeddings import Embeddings
from app.usecases.predict_roi import GivenPoint, PredictRoi
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

BOX = shapely.box(420, 320, 580, 480)
DISC = shapely.Point(500, 400).buffer(60, quad_segs=64)


@pytest.fixture
def predict(gateway: FakeGateway, segmenter: DarkSegmenter) -> PredictRoi:
    return PredictRoi(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), max_points=1)


def test_a_box_with_points_is_segmented_and_nothing_is_written(
    predict: PredictRoi, gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    points = (GivenPoint(500, 400, PointLabel.FOREGROUND), GivenPoint(430, 330, PointLabel.BACKGROUND))
    prediction = predict.with_points(5, BOX, points)
    assert prediction.segmentation.shape is not None
    assert iou(prediction.segmentation.shape, DISC) > 0.95
    assert segmenter.prompts[0].labels == (PointLabel.FOREGROUND, PointLabel.BACKGROUND)
    assert prediction.timings_ms["total"] > 0
    assert gateway.writes == []


@pytest.mark.parametrize(("x", "y"), [(100, 400), (500, 10), (float("nan"), 400), (float("inf"), 400), (900, 400)])
def test_points_outside_the_window_are_refused(predict: PredictRoi, x: float, y: float) -> None:
    with pytest.raises(InvalidPrompt):
        predict.with_points(5, BOX, (GivenPoint(x, y, PointLabel.FOREGROUND),))


def test_points_are_judged_as_if_nothing_had_been_encoded_before(
    gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    """The window that serves holds the points, and what the own window does not hold is refused with any other too."""
    predict = PredictRoi(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter, 10**6), segmenter), max_points=1)
    box, moved = shapely.box(420, 320, 520, 420), shapely.box(424, 320, 524, 420)
    predict.with_points(5, box, ())
    left, right = (GivenPoint(x, 400, PointLabel.BACKGROUND) for x in (371, 573))
    served = predict.with_points(5, moved, ())
    assert segmenter.encoded == 1
    with pytest.raises(InvalidPrompt):
        predict.with_points(5, moved, (left,))
    own = predict.with_points(5, moved, (right,))
    assert segmenter.encoded == 2
    assert own.segmentation.account.window.x0 == served.segmentation.account.window.x0 + 4
    ((x, _),) = segmenter.prompts[-1].points
    assert 0 <= x <= own.segmentation.account.window.side_px0


def test_a_box_outside_the_slide_is_refused(predict: PredictRoi) -> None:
    with pytest.raises(RoiOutsideSlide):
        predict.with_points(5, shapely.box(2000, 0, 2100, 100), ())


def test_an_unknown_slide_is_told(predict: PredictRoi) -> None:
    with pytest.raises(SlideNotFound):
        predict.with_points(6, BOX, ())


def test_points_of_a_user_are_found_and_stay(
    predict: PredictRoi, gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    del gateway.points[12]
    predict.with_points_of(5, BOX, 61)
    assert len(segmenter.prompts[0].points) == 1
    assert list(gateway.points) == [11]


def test_too_many_points_of_a_user_are_refused(predict: PredictRoi) -> None:
    with pytest.raises(TooManyPoints):
        predict.with_points_of(5, BOX, 61)
