"""One page of several: every figure of every replica, and all that the dashboard asks for."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import Metrics
from app.usecases.embeddings import Embeddings
from app.usecases.ports import QueueLoad
from app.usecases.timings import Stopwatch
from scale.replicas import Board, Page, joined, together
from tests.docker.test_dashboard import EXPRESSIONS
from tests.fakes.rooms import DarkSegmenter, DiscReader


def of_an_edge() -> str:
    metrics = Metrics()
    metrics.watch_cache(Embeddings(DiscReader(), DarkSegmenter()))
    metrics.done("refine", "changed", Stopwatch().timings_ms())
    metrics.failed("model-busy")
    return metrics.text().decode()


def of_a_model() -> str:
    metrics = Metrics()
    metrics.watch_queue(DarkSegmenter())
    return metrics.text().decode()


@pytest.fixture(scope="module")
def page() -> str:
    return joined({"ingress-a": of_an_edge(), "model-b": of_a_model(), "model-c": of_a_model()}).decode()


def test_each_line_says_whose_it_is(page: str) -> None:
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    assert {sample.labels["replica"] for sample in samples} == {"ingress-a", "model-b", "model-c"}
    waiting = [sample.labels["replica"] for sample in samples if sample.name == "refine_queue_waiting"]
    assert waiting == ["model-b", "model-c"]


def test_each_figure_is_introduced_once(page: str) -> None:
    introduced = re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)
    assert len(introduced) == len(set(introduced))


def test_the_page_of_one_replica_keeps_its_values() -> None:
    own = of_an_edge()
    before = [(each.name, each.value) for family in text_string_to_metric_families(own) for each in family.samples]
    page = joined({"a": own}).decode()
    after = [(each.name, each.value) for family in text_string_to_metric_families(page) for each in family.samples]
    assert sorted(after) == sorted(before)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_dashboard_finds_its_figures(page: str, expression: str) -> None:
    names = {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}
    assert set(re.findall(r"\b(?:refine|process)_\w+", expression)) <= names


def test_lines_add_up() -> None:
    both = together([QueueLoad(1, 1, 0.5, windows=7, batches=2), QueueLoad(3, 0, 2.0, 10)])
    assert both == QueueLoad(4, 1, 2.0, 10, windows=7, batches=2)
    assert together([]) == QueueLoad(0, 0, 0.0)


def test_a_board_shows_the_others_and_forgets_who_leaves() -> None:
    board = Board()
    assert board.swap("a", Page("1")) == {}
    assert board.swap("b", Page("2")) == {"a": Page("1")}
    assert board.swap("a", None) == {"b": Page("2")}
    assert board.swap("b", Page("3")) == {}
