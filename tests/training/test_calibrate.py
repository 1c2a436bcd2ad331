"""What `evaluate --calibrate` puts on a card: checked on slides that it was not fitted on, and read by the service."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.geometry.choices import PromptKind
from app.geometry.judgement import SIGNS, Growth, Judgement
from app.geometry.masks import Mask, Masks
from app.geometry.signs import Signs
from app.segmenter.weights import choose
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.segmenter.weights.judgement import read_judgement, write_judgement
from app.settings import SegmenterSettings, Settings
from training.cli import app
from training.dataset import Dataset
from training.dataset.folder import Rgb
from training.errors import BrokenDataset
from training.evaluation.calibrate import LEAST_SLIDES, LOOSE, TIGHT, Sample, _as_outlined, judged, samples
from training.evaluation.cards import left_out
from training.evaluation.corrections import CLICKS, corrections
from training.evaluation.methods import Model
from training.evaluation.monotone import calibration_error, fit, isotonic, reliability
from training.evaluation.seen import Seen, Sights
from training.evaluation.whole import unseen
from training.models import open_model
from training.package import _judgement
from training.prompts import Given
from training.start import Machine

shares = st.floats(0, 1)


def sample(
    rng: np.random.Generator, slide: int, kind: PromptKind = "box", gain: float = 0.0, bias: float = 0.2
) -> Sample:
    """Draw an object whose score is too high by a fixed amount."""
    iou = float(rng.uniform(0.4, 0.8))
    signs = Signs(iou + bias, float(rng.uniform()), 0.9, 1.0)
    dataset = f"set {slide % 2}"
    return Sample(
        dataset, f"{dataset}/{slide}", kind, {"best": iou, "single": iou + gain}, {"best": signs, "single": signs}
    )


def clicked(*points: tuple[float, float, int]) -> Given:
    places = np.array([point[:2] for point in points], float).reshape(-1, 2)
    return Given(np.array([150.0, 270, 650, 760]), places, np.array([point[2] for point in points], np.int32), None)


def test_masks_are_measured_without_their_spurs_as_the_service_outlines_them() -> None:
    rows, columns = np.mgrid[:256, :256]
    disc, spur = np.hypot(rows - 128, columns - 100) < 60, (abs(rows - 128) < 4) & (columns > 100) & (columns < 220)
    mask = Mask(np.where(disc | spur, 5, -5).astype(np.float32), 0.9)
    assert not _as_outlined(mask, clicked())[:, 720:].any()
    assert _as_outlined(mask, clicked((800, 514, 1)))[:, 720:].any()  # somebody has clicked on it


def test_masks_are_measured_with_clicks_heeded() -> None:
    rows, columns = np.mgrid[:256, :256]
    mask = Mask((60 - np.hypot(rows - 128, columns - 100)).astype(np.float32), 0.9)
    assert not _as_outlined(mask, clicked())[512, 660]
    assert _as_outlined(mask, clicked((660.5, 512.5, 1)))[512, 660]
    assert _as_outlined(mask, clicked())[512, 620]
    assert not _as_outlined(mask, clicked((620.5, 512.5, 0)))[512, 620]


def test_masks_are_measured_with_small_parts_that_people_showed() -> None:
    rows, columns = np.mgrid[:256, :256]
    large, small = (np.hypot(rows - 128, columns - x) < radius for x, radius in ((90, 60), (210, 12)))
    mask = Mask(np.where(large | small, 5, -5).astype(np.float32), 0.9)
    assert not _as_outlined(mask, clicked())[512, 840]
    assert _as_outlined(mask, clicked((840.5, 512.5, 1)))[512, 840]


def test_masks_are_measured_as_they_grow_near_clicks() -> None:
    rows, columns = np.mgrid[:256, :256]
    before, after = (
        Mask((radius - np.hypot(rows - 128, columns - 100)).astype(np.float32), 0.9) for radius in (50, 60)
    )
    one = clicked((620.5, 512.5, 1))
    assert _as_outlined(after, one)[512, 190]
    assert not _as_outlined(after, one, before)[512, 190]  # on the other side
    assert _as_outlined(after, one, before)[512, 620]


def test_people_correct_what_is_most_wrong_and_some_only_ever_add() -> None:
    rows, columns = np.mgrid[:1024, :1024]
    truth = np.hypot(rows - 512, columns - 512) < 150
    shown = np.roll(truth, 100, 1)  # too little on the left, too much on the right
    asked: list[Given] = []

    def decode(given: Given) -> Masks:
        asked.append(given)
        return nothing

    nothing = Masks(np.zeros((3, 256, 256), np.float32), np.ones(3, np.float32))
    seen = Seen(None, (362, 362, 662, 662), np.zeros((1024, 1024, 3), np.uint8), truth)  # type: ignore[arg-type]
    boxed = replace(clicked(), box=np.array(seen.box))
    rng = np.random.default_rng(0)
    found = list(corrections(boxed, nothing, seen, decode, lambda masks, given: shown, rng))
    assert [given for given, _ in found] == asked
    assert [len(given.labels) for given in asked] == [1, 2, 3] * 2
    assert all((each.labels == 1).all() for each in asked[CLICKS:])
    for each in asked:
        for (x, y), label in zip(each.points.astype(int), each.labels, strict=True):
            assert (truth[y, x], shown[y, x]) == (label == 1, label == 0)
    exactly = list(corrections(boxed, nothing, seen, decode, lambda masks, given: truth, rng))
    assert exactly == []


@given(st.lists(st.tuples(shares, st.floats(0.01, 10)), min_size=1, max_size=30))
def test_an_isotonic_fit_never_falls_and_keeps_the_mean(points: list[tuple[float, float]]) -> None:
    values, weights = zip(*points, strict=True)
    fitted = isotonic(values, weights)
    assert all(after >= before - 1e-12 for before, after in pairwise(fitted))
    assert np.average(fitted, weights=weights) == pytest.approx(np.average(values, weights=weights))
    assert isotonic(sorted(values), weights) == pytest.approx(sorted(values))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 60))
def test_whatever_is_measured_the_map_is_one_that_a_card_may_hold(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    signs = np.round(rng.uniform(0, 1, (count, len(SIGNS))), int(rng.integers(0, 4)))
    calibration = fit(signs, rng.uniform(0, 1, count), rng.uniform(0.1, 1, count))
    assert (
        read_judgement(json.loads(json.dumps(write_judgement(Judgement((), calibration))))).calibration == calibration
    )
    low, high = calibration(Signs(0, 0, 0, 0)), calibration(Signs(1, 1, 1, 1))
    assert 0 == low <= high <= 1


def test_the_error_is_the_mean_gap_over_the_bins() -> None:
    told, came, alike = np.array([0.15, 0.15, 0.85, 1.0]), np.array([0.25, 0.25, 0.85, 0.8]), np.ones(4)
    assert reliability(told, came, alike) == [
        (0.5, pytest.approx(0.15), pytest.approx(0.25), 2),
        (0.25, pytest.approx(0.85), pytest.approx(0.85), 1),
        (0.25, 1.0, pytest.approx(0.8), 1),
    ]
    assert calibration_error(told, came, alike) == pytest.approx(0.5 * 0.1 + 0.25 * 0.2)


def test_a_score_that_is_too_high_is_put_right_on_slides_that_were_not_seen() -> None:
    rng = np.random.default_rng(1)
    found = judged([sample(rng, slide) for slide in range(10) for _ in range(30)])
    assert found.error < 0.03
    assert found.about()["ece_of_the_score"] == pytest.approx(0.2, abs=0.01)
    assert found.judgement.confidence(Signs(0.8, 0.5, 0.9, 1.0)).value == pytest.approx(0.6, abs=0.04)
    assert dict(found.judgement.calibration.weights).keys() == {"score"}  # type: ignore[union-attr]


def test_a_calibration_asks_for_a_loosened_box_in_the_window_that_the_service_would_read(dataset: Dataset) -> None:
    item = dataset.items[0]
    sights = Sights(dataset, seed=0)
    asked: list[tuple[bool, Given]] = []

    def answered(model: Model, moved: bool, given: Given) -> Masks:
        asked.append((moved, given))
        truth = (sights.loose if moved else sights.tight)(item).truth
        logits = np.where(truth[::4, ::4], 5, -5).astype(np.float32)
        return Masks(np.stack([logits] * 3), np.ones(3, np.float32), Mask(logits, 1.0))

    def encoded(model: Model, image: Rgb) -> tuple[bool, float]:
        return not np.array_equal(image, sights.tight(item).image), 0.0

    model = Model("perfect", open_model("embedded").model, Machine(torch.device("cpu"), mixed=False))
    with patch.object(Model, "masks", answered), patch.object(Model, "encode", encoded):
        found = samples(dataset, [item], model, seed=0)
    drawn, corrected = asked[: len(TIGHT + LOOSE)], asked[len(TIGHT + LOOSE) :]
    assert [moved for moved, _ in drawn] == [False] * len(TIGHT) + [True] * len(LOOSE)
    assert all(moved and len(given.labels) for moved, given in corrected)
    assert {given.box.tolist() == list(sights.loose(item).box) for moved, given in asked if moved} == {True}  # type: ignore[union-attr]
    assert min(each.iou["best"] for each in found) > 0.95
    assert {each.kind for each in found} == set(get_args(PromptKind))


def test_a_sign_that_helps_has_a_weight() -> None:
    rng = np.random.default_rng(1)
    some = []
    for slide in range(10):
        for _ in range(30):
            iou, score = float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.6, 0.9))
            signs = Signs(score, 0.5, iou, 1.0)
            some.append(
                Sample(
                    "set",
                    f"set/{slide}",
                    "box",
                    dict.fromkeys(("best", "single"), iou),
                    dict.fromkeys(("best", "single"), signs),
                )
            )  # type: ignore[arg-type]
    assert "agreement" in dict(judged(some).judgement.calibration.weights)  # type: ignore[union-attr]


@pytest.mark.parametrize(("gain", "rule"), [(0.05, "single"), (0.0, "best"), (-0.05, "best")])
def test_the_single_mask_is_taken_for_prompts_with_which_it_is_better(gain: float, rule: str) -> None:
    rng = np.random.default_rng(1)
    some = [sample(rng, slide, "1 positive", gain) for slide in range(6) for _ in range(9)]
    found = judged([*some, *(sample(rng, slide) for slide in range(6))])
    assert found.judgement.proposal("1 positive") == rule
    assert found.judgement.proposal("box") == "best"
    assert "1 negative" not in dict(found.judgement.takes)


@pytest.mark.parametrize(
    ("near", "growth", "rule"),
    [({"best": 0.05, "single": -0.1}, "near clicks", "best"), ({"best": 0.0, "single": -0.1}, "anywhere", "single")],
)
def test_masks_grow_near_clicks_where_outlines_are_better_for_it(near: dict, growth: str, rule: str) -> None:
    rng = np.random.default_rng(1)
    some = [sample(rng, slide, "1 positive", gain=0.02) for slide in range(6) for _ in range(9)]
    some = [replace(each, near={name: each.iou["best"] + near[name] for name in near}) for each in some]
    found = judged([*some, *(sample(rng, slide) for slide in range(6))])
    assert found.judgement.growth == growth
    assert found.judgement.proposal("1 positive") == rule
    mine = found.iou[: len(some)]
    assert mine == pytest.approx([each.outlined(found.judgement.growth)[rule] for each in some])  # type: ignore[index]
    assert found.about()["growth"]["n"] == len(some)
    assert found.about()["growth"]["near_minus_anywhere"] == pytest.approx(0.03 if growth == "near clicks" else -0.02)


def test_too_few_slides_are_told() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(BrokenDataset, match=f"{LEAST_SLIDES} slides"):
        judged([sample(rng, slide) for slide in range(LEAST_SLIDES - 1) for _ in range(9)])


def test_only_images_that_were_left_out_count_where_a_card_names_them(dataset: Dataset, tmp_path: Path) -> None:
    assert "nuclei_field_03" in left_out(EMBEDDED_MODEL)
    assert left_out(None) == left_out(tmp_path / "none.pt") == frozenset()
    items = list(dataset.items)
    assert {item.slide for item in unseen(items, frozenset({"nuclei_01"}))} == {"nuclei/nuclei_01"}
    assert unseen(items, frozenset({"elsewhere"})) == items


@pytest.mark.long
def test_a_card_is_calibrated_with_one_command_and_obeyed_by_the_service(dataset: Dataset, tmp_path: Path) -> None:
    checkpoint, out = tmp_path / "lab.pt", tmp_path / "report"
    shutil.copyfile(EMBEDDED_MODEL, checkpoint)
    arguments = [
        "evaluate", "--data", str(dataset.folder), "--checkpoint", str(checkpoint), "--config", "embedded",
        "--split", "all", "--limit", "5", "--out", str(out), "--calibrate",
    ]  # fmt: skip
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert "expected calibration error" in answer.output
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    assert (card["name"], card["config"]) == ("lab", "embedded")
    measured = card["judgement"]["measured"]
    objects = json.loads((out / "metrics.json").read_text())["data"]["objects"]
    drawn = objects * len(TIGHT + LOOSE)
    assert drawn < measured["prompts"] <= drawn + objects * 2 * CLICKS
    assert card["judgement"]["growth"] in get_args(Growth)
    assert "Where clicks let a mask grow" in (out / "report.html").read_text()
    assert {each["prompts"] for each in measured["masks"]} == set(card["judgement"]["takes"])
    found = choose(Settings(segmenter=SegmenterSettings(checkpoint=checkpoint))).judgement
    assert found.confidence(Signs(0.9, 0.9, 0.9, 1.0)).calibrated
    assert json.loads((out / "metrics.json").read_text())["judgement"] == card["judgement"]
    assert _judgement(out / "metrics.json") == {"judgement": card["judgement"]}
    html = (out / "report.html").read_text()
    for words in ("Which mask", "Calibration of the confidence", "raw and calibrated"):
        assert words in html


def test_random_weights_have_no_card(dataset: Dataset, tmp_path: Path) -> None:
    arguments = ["evaluate", "--data", str(dataset.folder), "--checkpoint", "random", "--config", "embedded"]
    answer = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path), "--calibrate"])
    assert answer.exit_code == 2
    assert "random weights have no card" in answer.output
