"""``engines --against``: other weights beside one's own, in the same table, and never chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from app.cli.engines import _other, _table
from app.segmenter.engines.choice import Measured, fastest, keep
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import SegmenterSettings

SHA = "0" * 64


def test_other_weights_are_loaded_with_the_config_that_is_named(tmp_path: Path) -> None:
    settings = SegmenterSettings(device="cpu", engine_folder=tmp_path)
    name, load = _other(settings, f"{EMBEDDED_MODEL}:embedded")
    assert name == EMBEDDED_MODEL.name
    segmenter = load()
    assert (segmenter.input_side_px, segmenter.info.precision) == (256, "float32")
    segmenter.close()
    with pytest.raises(typer.BadParameter, match="names no config"):
        _other(settings, "tiny.pt")


def test_they_are_shown_and_not_kept(tmp_path: Path) -> None:
    mine = Measured("torch-float32", 3.0, 1.0, None)
    other = Measured("tiny.pt", 0.5, 0.93, "other weights: never chosen automatically", 4.25, 0.81, 0.034)
    table = _table([mine, other])
    cells = [list(column.cells)[1] for column in table.columns]
    assert cells == [
        "tiny.pt",
        "500 ms",
        "0.9300",
        "0.8100",
        "4.25 px",
        "3.4%",
        "other weights: never chosen automatically",
    ]
    assert keep(tmp_path, SHA, [mine, other]) == fastest(tmp_path, SHA, 0.5) == "torch-float32"
    (record,) = tmp_path.iterdir()
    assert "tiny" not in record.read_text()
