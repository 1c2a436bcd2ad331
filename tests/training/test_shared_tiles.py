"""The embedded model on real tissue that it never saw: it beats what needs no model, and leaves a report to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import app

OUT = Path(__file__).resolve().parents[2] / "out" / "embedded-on-tiles"
OBJECTS = "16"
"""Of nuclei and of glands; `--limit` takes the same ones every time."""


@pytest.mark.shared
@pytest.mark.slow
def test_the_embedded_model_beats_box_ellipse_and_grabcut(shared_data: Path, tmp_path: Path) -> None:
    export = ["export", "tiles", str(shared_data), "--out", str(tmp_path), "--per-slide", "3"]
    evaluate = ["evaluate", "--data", str(tmp_path), "--checkpoint", "embedded", "--out", str(OUT), "--split", "all"]
    for arguments in (export, [*evaluate, "--limit", OBJECTS]):
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == 0, answer.output
    summary = json.loads((OUT / "metrics.json").read_text())["summary"]

    def iou(method: str, prompt: str, group: str) -> float:
        return float(summary[method][prompt][group]["iou"]["mean"])

    for group in ("dataset nuclei", "dataset gland", "mean of datasets"):
        for method in ("plain box", "ellipse", "GrabCut"):
            for prompt in ("box", "loosened box"):
                assert iou("embedded", prompt, group) > iou(method, prompt, group), (method, prompt, group)
        # a sloppy box costs little, and a box is far from an outline
        assert iou("embedded", "loosened box", group) > iou("embedded", "exact box", group) - 0.05
        assert iou("embedded", "loosened box", group) > iou("plain box", "loosened box", group) + 0.25
    assert (OUT / "report.html").stat().st_size > 100_000
