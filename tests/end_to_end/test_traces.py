"""Traces of the real service, as a collector gets them over OTLP/HTTP."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.errors import InvalidSettings
from app.main import create_app
from app.settings import Settings, TracesSettings
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC_X, DISC_Y, HEADERS, Lab, free_port, in_one_process, serving, settings_for, settle

pytest.importorskip("opentelemetry.sdk", reason="the extra traces is not installed")
from tests.fakes.collector import attributes, collecting

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
ROUTE = "POST /sam/annotations/{annotation_id}/refine"
ERROR = 2


@pytest.fixture
def settings(cytomine: EmbeddedCytomine) -> Settings:
    return settings_for(cytomine)


def traced(settings: Settings, endpoint: str, **traces: object) -> Settings:
    group = TracesSettings.model_validate({"endpoint": endpoint, **traces})
    return settings.model_copy(update={"traces": group})


def new_name() -> str:
    """Name a project: the same tests run behind Ray, too, with the same Cytomine."""
    return f"traces {uuid4()}"


def refine(url: str, number: int, **headers: str) -> httpx.Response:
    path = f"{url}/sam/annotations/{number}/refine"
    return httpx.post(path, headers={**HEADERS, **headers}, timeout=60, trust_env=False)


def timed(url: str, number: int) -> float:
    start = time.monotonic()
    assert refine(url, number).status_code == 200
    return time.monotonic() - start


def test_a_refine_is_one_trace_with_its_steps(cytomine: EmbeddedCytomine, settings: Settings) -> None:
    named = {"service_name": "refine-of-the-tests"}
    with collecting() as collector, serving(traced(settings, collector.url, **named)) as url:
        lab = settle(cytomine, new_name(), url)
        number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
        for path in ("/", "/health", "/metrics", "/sam/ready"):
            httpx.get(f"{url}{path}", headers={"traceparent": TRACEPARENT}, trust_env=False)
        cytomine.faults.clear()
        answer = refine(url, number, traceparent=TRACEPARENT, **{"X-Request-Id": "asked-by-hand"})
        assert answer.json()["points_deleted"] == [point], answer.text
        platform = {seen.headers.get("traceparent", "")[:52] for seen in cytomine.faults.requests}
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.resource["service.name"] == "refine-of-the-tests"
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    server = collector.named(ROUTE)
    assert server.parent_span_id.hex() == CALLER
    steps = ["validity", "box", "points", "window", "encode", "decode", "postprocess", "update"]
    children = collector.children(server)
    assert set(children) == set(steps)  # whatever is looked at and outlined more than once has a span each time
    assert len(collector.spans) == 1 + len(children)

    said = attributes(server)
    expected = {
        "refine.request_id": "asked-by-hand",
        "refine.annotation_id": number,
        "refine.use_case": "refine",
        "refine.outcome": "changed",
        "refine.embedding.source": "encoder",
        "refine.points": 1,
        "http.response.status_code": 200,
        "http.route": "/sam/annotations/{annotation_id}/refine",
    }
    assert said.items() >= expected.items()
    assert said["refine.window.side_px0"] == answer.json()["window"]["width"]

    encode = collector.named("encode")
    waited = attributes(encode)["refine.queue.waited_s"]
    assert isinstance(waited, float)
    (turn,) = encode.events
    assert encode.start_time_unix_nano <= turn.time_unix_nano <= encode.end_time_unix_nano

    parents = {f"00-{TRACE}-{span.span_id.hex()}" for span in collector.spans}
    assert platform
    assert platform <= parents
    everything = b"".join(request.SerializeToString() for request in collector.requests)
    for secret in (HEADERS["X-Refine-Secret"], "POLYGON", settings.platform.private_key.get_secret_value()):
        assert secret.encode() not in everything


def test_a_failing_platform_marks_the_step_and_the_request(cytomine: EmbeddedCytomine, settings: Settings) -> None:
    with collecting() as collector:
        with serving(traced(settings, collector.url)) as url:
            lab = settle(cytomine, new_name(), url)
            number = lab.draw(BOX)
            cytomine.faults.add(Fault("status", path="/window", body=b"POLYGON ((1 2, 3 4))"))
            assert refine(url, number).status_code == 502
            assert refine(url, 10**9).status_code == 404
        cytomine.faults.clear()
    failed, unknown = sorted(
        (span for span in collector.spans if span.name == ROUTE), key=lambda span: span.start_time_unix_nano
    )
    assert failed.status.code == ERROR
    assert attributes(failed)["error.type"] == "platform-unavailable"
    step = collector.named("window")
    assert (step.status.code, attributes(step)["error.type"]) == (ERROR, "PlatformUnavailable")
    assert not step.events
    assert unknown.status.code != ERROR  # the caller's mistake is none of the service's
    assert attributes(unknown)["error.type"] == "annotation-not-found"


def test_work_ahead_of_the_click_belongs_to_the_request_that_wished_for_it(
    cytomine: EmbeddedCytomine, settings: Settings
) -> None:
    with collecting() as collector, serving(traced(settings, collector.url)) as url:
        lab = settle(cytomine, new_name(), url)
        number = lab.draw(BOX)
        body = {"annotation_id": number}
        httpx.post(f"{url}/sam/embeddings", json=body, headers=HEADERS, trust_env=False).raise_for_status()
        give_up = time.monotonic() + 20
        made = re.compile(r'^refine_windows_total\{(replica="[^"]*",)?source="encoder"\} 1', re.MULTILINE)
        while not made.search(httpx.get(f"{url}/metrics", trust_env=False).text):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        assert refine(url, number).status_code == 200
    ahead = collector.named("ahead")
    assert collector.named("POST /sam/embeddings").span_id == ahead.parent_span_id
    assert collector.children(ahead) == ["window", "encode"]
    assert attributes(collector.named(ROUTE))["refine.embedding.source"] == "memory"


@pytest.mark.parametrize("sampled", ["00", "01"])
def test_the_callers_choice_counts_before_the_share(
    cytomine: EmbeddedCytomine, settings: Settings, sampled: str
) -> None:
    share = 1.0 if sampled == "00" else 0.0
    with collecting() as collector, serving(traced(settings, collector.url, sample_share=share)) as url:
        lab = settle(cytomine, new_name(), url)
        assert refine(url, lab.draw(BOX), traceparent=f"{TRACEPARENT[:-2]}{sampled}").status_code == 200
    assert bool(collector.spans) == (sampled == "01")


@in_one_process  # a replica's log lies in Ray's own files
def test_a_collector_that_is_away_costs_one_line(
    cytomine: EmbeddedCytomine, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(traced(settings, f"http://127.0.0.1:{free_port()}")) as url:
        lab = settle(cytomine, new_name(), url)
        for _ in range(3):
            assert refine(url, lab.draw(BOX)).status_code == 200
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 10
    lines = [line for line in capfd.readouterr().err.splitlines() if "race" in line or "xport" in line]
    assert len(lines) == 1
    assert "Traces cannot be sent" in lines[0]


def test_nobody_waits_for_a_collector_that_hangs(
    cytomine: EmbeddedCytomine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    with collecting(hanging=True) as collector, serving(traced(settings, collector.url)) as url:
        lab = settle(cytomine, new_name(), url)
        assert refine(url, lab.draw(BOX)).status_code == 200
        give_up = time.monotonic() + 20
        while not collector.requests:
            assert time.monotonic() < give_up
            time.sleep(0.02)
        quickest_s = min(timed(url, lab.draw(BOX)) for _ in range(3))
        assert quickest_s < 5  # that long, the exporter waits; each of them would
        collector.released.set()


def test_without_an_endpoint_nothing_is_sent_and_the_platform_sees_no_header(lab: Lab) -> None:
    lab.cytomine.faults.clear()
    assert refine(lab.service_url, lab.draw(BOX), traceparent=TRACEPARENT).status_code == 200
    assert lab.cytomine.faults.requests
    assert all("traceparent" not in seen.headers for seen in lab.cytomine.faults.requests)


def test_without_an_endpoint_the_sdk_is_not_imported() -> None:
    code = (
        "import sys; from app.main import create_app; create_app();"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert found.stdout.strip() == "[]", found.stderr


def test_an_endpoint_without_the_extra_stops_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InvalidSettings, match=r"REFINE_TRACES__ENDPOINT needs the extra traces"):
        create_app(traced(settings, "http://collector:4318"))
