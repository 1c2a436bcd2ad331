"""Evidence in, doubts out: by table. What is doubtful is decided here and nowhere else."""

import pytest

from app.geometry.glance import Sight
from app.geometry.judgement import Confidence
from app.usecases import doubts
from app.usecases.doubts import Evidence, judge
from app.usecases.ports import ModelInfo

MODEL = ModelInfo("lab", "configured", "0" * 64, "float32", "cpu")
DEMO = ModelInfo("embedded", "embedded", "0" * 64, "float32", "cpu")
SURE, UNSURE = Confidence(0.9, calibrated=True), Confidence(0.5, calibrated=True)
CLEAR, GLASS = Sight(120, 0.4, 0.3), Sight(4, 0.9, 0.95)
SOFT, VERY_SOFT = Sight(120, 0.1, 0.69), Sight(120, 0.4, 0.85)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(SURE), ()),
        (Evidence(SURE, False, 1, 0.5, CLEAR), ()),
        (Evidence(Confidence(doubts.LEAST_CONFIDENCE, calibrated=False)), ()),
        (Evidence(UNSURE), (doubts.LOW_CONFIDENCE,)),
        (Evidence(SURE, is_cut=True), (doubts.CUT,)),
        (Evidence(SURE, parts=2), (doubts.SEVERAL_PARTS,)),
        (Evidence(SURE, parts=0), ()),
        (Evidence(SURE, size=0.05), (doubts.FAR_SMALLER,)),
        (Evidence(SURE, size=2.5), (doubts.FAR_LARGER,)),
        (Evidence(SURE, sight=GLASS), (doubts.ONLY_GLASS,)),
        (Evidence(SURE, sight=SOFT), (doubts.OUT_OF_FOCUS,)),
        (Evidence(SURE, sight=VERY_SOFT), (doubts.OUT_OF_FOCUS,)),
        (Evidence(SURE, sight=Sight(120, 0.4, 0.75)), ()),
        (
            Evidence(UNSURE, True, 3, 2.5, GLASS),
            (doubts.ONLY_GLASS, doubts.LOW_CONFIDENCE, doubts.CUT, doubts.SEVERAL_PARTS, doubts.FAR_LARGER),
        ),
    ],
)
def test_each_doubt_has_its_evidence(evidence: Evidence, expected: tuple[str, ...]) -> None:
    judged = judge(evidence, MODEL)
    assert (judged.doubts, judged.doubtful) == (expected, bool(expected))
    assert (judged.confidence, judged.calibrated) == (evidence.confidence.value, evidence.confidence.calibrated)


def test_the_demo_model_is_told_and_makes_nothing_doubtful() -> None:
    assert judge(Evidence(SURE), DEMO).doubts == (doubts.DEMO_MODEL,)
    assert not judge(Evidence(SURE), DEMO).doubtful
    assert judge(Evidence(UNSURE), DEMO).doubts == (doubts.LOW_CONFIDENCE, doubts.DEMO_MODEL)
    assert judge(Evidence(UNSURE), DEMO).doubtful


def test_every_doubt_is_a_plain_sentence() -> None:
    words = [getattr(doubts, name) for name in dir(doubts) if isinstance(getattr(doubts, name), str) and name.isupper()]
    assert len(words) == 8
    for each in words:
        assert each[0].isupper()
        assert each.endswith(".")
        assert "  " not in each
