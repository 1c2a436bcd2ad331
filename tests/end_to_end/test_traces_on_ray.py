"""Traces of the same service behind Ray Serve: a replica of the model tells its part, and the edge sends it."""

from __future__ import annotations

import pytest

from tests import lab
from tests.end_to_end import test_traces as traces
from tests.end_to_end.test_traces import settings  # noqa: F401  a fixture

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _on_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "ON_RAY", True)


test_a_refine_is_one_trace_with_its_steps = traces.test_a_refine_is_one_trace_with_its_steps
test_a_failing_platform_marks_the_step_and_the_request = traces.test_a_failing_platform_marks_the_step_and_the_request
test_work_ahead_of_the_click_belongs_to_its_request = (
    traces.test_work_ahead_of_the_click_belongs_to_the_request_that_wished_for_it
)
test_the_callers_choice_counts_before_the_share = traces.test_the_callers_choice_counts_before_the_share
test_nobody_waits_for_a_collector_that_hangs = traces.test_nobody_waits_for_a_collector_that_hangs
