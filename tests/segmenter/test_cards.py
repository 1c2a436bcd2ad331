"""Cards come from anywhere: what is odd is told in one clear error, and nothing of it is run or believed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.errors import WeightsCorrupt
from app.geometry.judgement import SIGNS, Calibration, Judgement
from app.geometry.signs import Signs
from app.segmenter.weights import WeightsEntry, choose, verify
from app.segmenter.weights.card import MOST_BYTES, read_card
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.segmenter.weights.judgement import MOST_KNOTS, read_judgement, write_judgement
from app.settings import SegmenterSettings, Settings, WeightsSettings

BODY = b"weights"
DIGEST = hashlib.sha256(BODY).hexdigest()
PLAIN = {"name": "lab", "config": "embedded", "sha256": DIGEST}
CALIBRATION = {"weights": {"score": 0.7, "stability": 0.3}, "map": [[0.2, 0.1], [0.9, 0.95]]}
JUDGED = {**PLAIN, "judgement": {"takes": {"box": "single"}, "calibration": CALIBRATION}}

numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
anything = st.recursive(
    numbers, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        "takes": anything | st.dictionaries(st.sampled_from(["box", "1 positive", "x"]), anything, max_size=3),
        "calibration": anything
        | st.fixed_dictionaries(
            {},
            optional={
                "weights": anything | st.dictionaries(st.sampled_from([*SIGNS, "x"]), numbers, max_size=3),
                "map": anything | st.lists(st.lists(numbers, max_size=3), max_size=4),
            },
        ),
        "measured": anything,
    },
)


def checkpoint(folder: Path, card: object) -> Path:
    path = folder / "lab.pt"
    path.write_bytes(BODY)
    text = card if isinstance(card, bytes) else json.dumps(card).encode()
    path.with_suffix(".json").write_bytes(text)
    return path


@pytest.mark.parametrize(("said", "needs_box"), [({"learned": False}, True), ({"learned": True}, False), (None, False)])
def test_a_card_says_whether_points_were_learned(tmp_path: Path, said: object, needs_box: bool) -> None:
    card = read_card(checkpoint(tmp_path, {**PLAIN, "point_prompt": said}))
    assert card is not None
    assert card.judgement.needs_box is needs_box


@pytest.mark.parametrize("said", [{}, [], False, "no", {"learned": 0}, {"learned": None}])
def test_a_card_that_says_something_else_of_points_is_none(tmp_path: Path, said: object) -> None:
    with pytest.raises(WeightsCorrupt, match="point_prompt"):
        read_card(checkpoint(tmp_path, {**PLAIN, "point_prompt": said}))


def test_the_embedded_model_needs_a_box_and_grows_near_clicks() -> None:
    card = read_card(EMBEDDED_MODEL)
    assert card is not None
    assert card.judgement.needs_box
    assert card.judgement.growth == "near clicks"


def test_a_card_says_how_to_judge(tmp_path: Path) -> None:
    card = read_card(checkpoint(tmp_path, JUDGED))
    assert card is not None
    expected = Calibration((("score", 0.7), ("stability", 0.3)), ((0.2, 0.1), (0.9, 0.95)))
    assert card.judgement == Judgement((("box", "single"),), expected)
    assert read_judgement(write_judgement(card.judgement)) == card.judgement


def test_a_card_says_where_clicks_may_let_a_mask_grow(tmp_path: Path) -> None:
    assert read_judgement({}).growth == "anywhere"
    card = read_card(checkpoint(tmp_path, judged(growth="near clicks")))
    assert card is not None
    assert card.judgement.growth == "near clicks"
    assert read_judgement(write_judgement(card.judgement)) == card.judgement


def test_a_card_from_before_judges_nothing(tmp_path: Path) -> None:
    card = read_card(checkpoint(tmp_path, PLAIN))
    assert card is not None
    assert card.judgement == Judgement() == read_judgement(write_judgement(Judgement()))


def judged(**changed: Any) -> dict[str, Any]:
    return {**PLAIN, "judgement": {**JUDGED["judgement"], **changed}}  # type: ignore[dict-item]


def calibrated(**changed: Any) -> dict[str, Any]:
    return judged(calibration={**CALIBRATION, **changed})


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b" " * (MOST_BYTES + 1), "longer than"),
        ([], "not a JSON object"),
        ({**PLAIN, "name": ["lab"]}, "lacks name"),
        ({**PLAIN, "config": "a\nb"}, "lacks name"),
        ({**PLAIN, "sha256": None}, "lacks name"),
        ({**PLAIN, "name": "x" * 2000}, "lacks name"),
        ({**PLAIN, "judgement": []}, "judgement is not an object"),
        (judged(code="print(1)"), "unknown member 'code'"),
        (judged(takes={"lasso": "single"}), "unknown member 'lasso'"),
        (judged(takes={"box": 3}), r"takes\['box'\]"),
        (judged(takes={"box": ["single"]}), r"takes\['box'\]"),
        (judged(calibration=1), "calibration is not an object"),
        (judged(growth="wild"), "growth is neither"),
        (judged(growth=["near clicks"]), "growth is neither"),
        (calibrated(weights={"__class__": 1}), "unknown member"),
        (calibrated(weights={"score": True}), "not a number"),
        (calibrated(weights={"score": float("nan")}), "0 to 1000"),
        (calibrated(weights={"score": 10**400}), "0 to 1000"),
        (calibrated(weights={"score": -1}), "0 to 1000"),
        (calibrated(weights={"score": 0}), "all weights are zero"),
        (calibrated(weights=None), "weights is not an object"),
        (calibrated(map=[[0, 0]]), "2 to 200 knots"),
        (calibrated(map=[[i, 0] for i in range(MOST_KNOTS + 1)]), "2 to 200 knots"),
        (calibrated(map={"0": 0}), "2 to 200 knots"),
        (calibrated(map=[[0, 0, 0], [1, 1, 1]]), "not a pair"),
        (calibrated(map=[[0, 0], [1, 1.5]]), "a knot's value"),
        (calibrated(map=[[0, 0], [float("inf"), 1]]), "a knot's place"),
        (calibrated(map=[[0.5, 0.2], [0.5, 0.4]]), "do not rise"),
        (calibrated(map=[[0.2, 0.8], [0.5, 0.4]]), "do not rise"),
    ],
)
def test_an_odd_card_is_told_in_one_error(tmp_path: Path, card: object, words: str) -> None:
    path = checkpoint(tmp_path, card)
    for look in (read_card, verify):
        with pytest.raises(WeightsCorrupt, match=words):
            look(path)
    with pytest.raises(WeightsCorrupt, match=words):
        choose(Settings(segmenter=SegmenterSettings(checkpoint=path)))


@given(anything | nearly)
@example({"calibration": {"weights": {"score": 1}, "map": [[0, 0], [1, 1]]}})
def test_whatever_a_judgement_holds_it_is_sound_or_refused(content: object) -> None:
    try:
        found = read_judgement(content)
    except ValueError:
        return
    assert set(dict(found.takes).values()) <= {"best", "single"}
    for share in (0.0, 0.5, 1.0):
        assert 0 <= found.confidence(Signs(share, share, share, share)).value <= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | anything.map(lambda content: json.dumps(content).encode()))
@example(b'{"name": "a", "config": "b", "sha256": "c", "judgement": {"calibration": NaN}}')
def test_whatever_bytes_a_card_holds_it_never_breaks(tmp_path: Path, text: bytes) -> None:
    path = checkpoint(tmp_path, text)
    try:
        card = read_card(path)
    except WeightsCorrupt:
        return
    assert card is not None


@pytest.fixture
def pulled(tmp_path: Path) -> tuple[Settings, WeightsEntry]:
    (tmp_path / "thesis.pt").write_bytes(BODY)
    entry = WeightsEntry("thesis", "", "http://x", len(BODY), DIGEST, "sam2.1_hiera_b+")
    return Settings(weights=WeightsSettings(folder=tmp_path)), entry


def test_the_thesis_checkpoint_takes_the_best_of_three_unless_its_card_says_otherwise(
    pulled: tuple[Settings, WeightsEntry],
) -> None:
    asked, entry = pulled
    assert choose(asked, [entry]).judgement.proposal("box") == "best"
    card = entry.path_in(asked.weights.folder).with_suffix(".json")
    card.write_text(json.dumps({**JUDGED, "config": "whatever", "name": "whoever"}))
    chosen = choose(asked, [entry])
    assert (chosen.judgement.proposal("box"), chosen.judgement.proposal("1 positive")) == ("single", "best")
    assert (chosen.name, chosen.config) == ("thesis", "sam2.1_hiera_b+")
    card.write_text(json.dumps({**JUDGED, "sha256": "0" * 64}))
    with pytest.raises(WeightsCorrupt, match="its card"):
        choose(asked, [entry])


def test_the_embedded_models_card_is_calibrated() -> None:
    found = choose(Settings(segmenter=SegmenterSettings(demo_model=True)))
    card = read_card(EMBEDDED_MODEL)
    assert card is not None
    assert found.judgement == card.judgement
    assert found.judgement.confidence(Signs(0.9, 0.9, 0.9, 1.0)).calibrated
