"""A click asks the platform for its rights, and for nothing that it has told a moment ago."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.errors import PlatformForbidden
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Annotation, Plane, Slide
from app.usecases.refine_annotation import RefineAnnotation, RefineOptions
from app.usecases.segment_roi import SegmentRoi
from app.usecases.slide_records import SlideRecords
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation
from tests.usecases.conftest import BOX

CLICK = RefineOptions(dry_run=True, points="ignore")


@dataclass
class Counting(FakeGateway):
    """Writes down what it is asked for."""

    asked: list[str] = field(default_factory=list)

    def annotation(self, annotation_id: int) -> Annotation:
        self.asked.append("annotation")
        return super().annotation(annotation_id)

    def slide(self, slide_id: int) -> Slide:
        self.asked.append("slide")
        return super().slide(slide_id)

    def plane(self, slide: Slide, slice_id: int | None) -> Plane:
        self.asked.append("plane")
        return super().plane(slide, slice_id)


@pytest.fixture
def counting() -> Counting:
    return Counting(annotations={7: annotation(7, BOX)}, caller_id=61)


@pytest.fixture
def clicking(counting: Counting, segmenter: DarkSegmenter) -> RefineAnnotation:
    return RefineAnnotation(counting, SegmentRoi(Embeddings(DiscReader(), segmenter, 10**7), segmenter), 20)


def test_the_second_click_reads_the_annotation_alone(
    counting: Counting, clicking: RefineAnnotation, segmenter: DarkSegmenter
) -> None:
    clicking(7, CLICK)
    assert counting.asked == ["annotation", "slide", "plane"]
    counting.asked.clear()
    clicking(7, CLICK)
    assert counting.asked == ["annotation"]
    assert segmenter.encoded == 1


def test_what_is_written_is_asked_for_afresh(counting: Counting, clicking: RefineAnnotation) -> None:
    clicking(7, CLICK)
    counting.asked.clear()
    clicking(7, RefineOptions(points="ignore"))
    assert counting.asked[:3] == ["annotation", "slide", "plane"]


def test_what_one_has_read_is_not_told_to_another(counting: Counting, clicking: RefineAnnotation) -> None:
    clicking(7, CLICK)
    counting.asked.clear()
    counting.caller_id = 62
    clicking(7, CLICK)
    assert counting.asked == ["annotation", "slide", "plane"]


def test_rights_that_were_taken_away_are_noticed_at_the_next_click(
    counting: Counting, clicking: RefineAnnotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicking(7, CLICK)

    def forbid(annotation_id: int) -> Annotation:
        raise PlatformForbidden("no")

    monkeypatch.setattr(counting, "annotation", forbid)
    with pytest.raises(PlatformForbidden):
        clicking(7, CLICK)


def test_it_is_forgotten_after_a_while(counting: Counting) -> None:
    records = SlideRecords(kept_s=0)
    for _ in range(2):
        records.of(counting, counting.annotations[7], fresh=False)
    assert counting.asked == ["slide", "plane"] * 2
