"""The embedded model on real tissue that it never saw: it beats what needs no model, and leaves a report to look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import app

RECORD = Path(__file__).resolve().parents[2] / "app" / "segmenter" / "embedded" / "model.json"
OUT = Path(__file__).resolve().parents[2] / "out" / "embedded-on-tiles"
OBJECTS = "6"
"""Of nuclei and of glands; `--limit` takes the same ones every time."""


def unseen(shared_data: Path, folder: Path) -> Path:
    """Give a folder of the tiles that the record of the training says were left out of it, and of no others."""
    folder.mkdir()
    (folder / "manifest.csv").symlink_to(shared_data / "manifest.csv")
    (folder / "tiles").mkdir()
    for name in json.loads(RECORD.read_text())["left_out_for_validation"]:
        for file in (f"{name}.png", f"{name}.mask.png"):
            (folder / "tiles" / file).symlink_to(shared_data / "tiles" / file)
    return folder


@pytest.mark.shared
@pytest.mark.long
def test_the_embedded_model_beats_box_ellipse_and_grabcut(shared_data: Path, tmp_path: Path) -> None:
    tiles, data = unseen(shared_data, tmp_path / "unseen"), tmp_path / "data"
    export = ["export", "tiles", str(tiles), "--out", str(data), "--per-slide", "3"]
    evaluate = ["evaluate", "--data", str(data), "--checkpoint", "embedded", "--out", str(OUT), "--split", "all"]
    for arguments in (export, [*evaluate, "--limit", OBJECTS]):
        answer = CliRunner().invoke(app, arguments)
        assert answer.exit_code == 0, answer.output
    summary = json.loads((OUT / "metrics.json").read_text())["summary"]

    def iou(method: str, prompt: str, group: str) -> float:
        return float(summary[method][prompt][group]["iou"]["mean"])

    for group in ("dataset nuclei", "dataset gland"):
        for method in ("plain box", "ellipse", "GrabCut"):
            assert iou("embedded", "loosened box", group) > iou(method, "loosened box", group), (method, group)
        # an exact box says so much that an ellipse does for round glands, and GrabCut for dark nuclei
        assert iou("embedded", "exact box", group) > iou("plain box", "exact box", group), group
        # a sloppy box costs little, and a box is far from an outline
        assert iou("embedded", "loosened box", group) > iou("embedded", "exact box", group) - 0.05
        assert iou("embedded", "loosened box", group) > iou("plain box", "loosened box", group) + 0.25
    both = "mean of datasets"
    assert iou("embedded", "box", both) > iou("ellipse", "box", both)
    assert (OUT / "report.html").stat().st_size > 100_000
