"""The dashboard asks only for figures that the service gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import Metrics
from app.usecases.embeddings import Embeddings
from app.usecases.timings import Stopwatch
from tests.fakes.rooms import DarkSegmenter, DiscReader

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "docker/grafana/refine.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OF_PROMETHEUS = {"job", "instance", "le"}
OF_REPLICAS = {"replica"}
"""On Ray Serve; elsewhere it is empty, and grouping by it changes nothing."""


@pytest.fixture(scope="module")
def given() -> dict[str, set[str]]:
    """Names of the figures, each with its labels."""
    metrics, segmenter = Metrics(), DarkSegmenter()
    metrics.watch_cache(Embeddings(DiscReader(), segmenter))
    metrics.watch_queue(segmenter)
    metrics.done("refine", "changed", Stopwatch().timings_ms())
    metrics.failed("model-busy")
    families = text_string_to_metric_families(bytes(metrics.page().body).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_figure_is_given(expression: str, given: dict[str, set[str]]) -> None:
    asked = set(re.findall(r"\b(?:refine|process)_\w+", expression))
    assert asked <= set(given), asked - set(given)
    labels = set().union(*(given[name] for name in asked)) | OF_PROMETHEUS | OF_REPLICAS
    by = {label.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for label in found.split(",")}
    filtered = set(re.findall(r"(\w+)=~?\"", expression))
    assert by | filtered <= labels


def test_no_figure_is_left_out(given: dict[str, set[str]]) -> None:
    shown = " ".join(EXPRESSIONS)
    own = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in given if name.startswith("refine_")}
    assert {name for name in own if name not in shown} == set()


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
