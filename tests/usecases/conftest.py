import pytest

from app.usecases.embeddings import Embeddings
from app.usecases.refine_annotation import RefineAnnotation
from app.usecases.segment_roi import SegmentRoi
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

BOX = "POLYGON ((420 320, 580 320, 580 480, 420 480, 420 320))"


@pytest.fixture
def gateway() -> FakeGateway:
    found = FakeGateway(annotations={7: annotation(7, BOX)})
    found.add_point(11, 500, 400)
    found.add_point(12, 510, 410)
    return found


@pytest.fixture
def segmenter() -> DarkSegmenter:
    return DarkSegmenter()


@pytest.fixture
def refine(gateway: FakeGateway, segmenter: DarkSegmenter) -> RefineAnnotation:
    return RefineAnnotation(gateway, SegmentRoi(Embeddings(DiscReader(), segmenter), segmenter), max_points=20)
