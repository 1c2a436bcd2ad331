"""The whole on Ray Serve, over real HTTP: overload, figures, deaths under load, draining, and an end without traces."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import shapely
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import Settings
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests import ray_lab
from tests.lab import BOX, DISC, DISC_RADIUS, DISC_X, DISC_Y, HEADERS, SECRET, Lab, settings_for, settle
from tests.scale.models import NEW, OLD, held
from tests.scale.replicas import kill, more, replicas
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
DISCS = [(DISC_X, DISC_Y), *((x, y) for x in (760, 950, 1100) for y in range(120, 800, 160))]
FIXED = "tests.scale.models:fixed"


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


def impatient(cytomine: EmbeddedCytomine, **segmenter: object) -> Settings:
    """Give settings in which every box is encoded by itself."""
    settings = settings_for(cytomine, max_in_flight=64)
    return settings.model_copy(
        update={
            "refine": settings.refine.model_copy(update={"reuse_windows": False}),
            "segmenter": settings.segmenter.model_copy(update=segmenter),
        }
    )


@pytest.fixture(scope="module")
def service(cytomine: EmbeddedCytomine) -> Iterator[str]:
    """Two replicas of a model that takes a fifth of a second, behind one edge."""
    url = ray_lab.new_url()
    with ray_lab.serving(impatient(cytomine), url, replicas=2, factory=FIXED):
        yield url


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, service: str, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, service)
    cytomine.faults.clear()


@dataclass(frozen=True)
class Drawn:
    """A loose box that somebody drew around a disc, with a point on it."""

    annotation: int
    point: int
    box: str
    disc: shapely.Geometry


def draw(lab: Lab, number: int) -> Drawn:
    x, y = DISCS[number % len(DISCS)]
    shift = number // len(DISCS) % 20
    box = shapely.box(x - 70 - shift, y - 72, x + 68, y + 75)
    return Drawn(lab.draw(box), lab.point(x, y), box.wkt, shapely.Point(x, y).buffer(DISC_RADIUS))


def assert_nothing_half_done(lab: Lab, drawn: list[Drawn]) -> None:
    """Every annotation has its old shape and its point, or the new shape; none was written twice."""
    puts = Counter(each.path for each in lab.cytomine.faults.requests if each.method == "PUT")
    assert set(puts.values()) <= {1}, puts
    for each in drawn:
        stored = lab.location(each.annotation)
        if stored == each.box:
            assert lab.location(each.point) is not None
        else:
            assert lab.iou(each.annotation, each.disc) > 0.8


@pytest.mark.long
def test_a_refine_goes_through_the_replicas(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    result = lab.refine(number).json()
    assert result["points_deleted"] == [point]
    assert lab.iou(number, DISC) > 0.8
    assert result["model"]["name"] == "timed"
    assert httpx.get(f"{lab.service_url}/health", trust_env=False).json()["model"]["name"] == "timed"


def test_no_secret_no_work_under_the_path_of_a_service(lab: Lab) -> None:
    number = lab.draw(BOX)
    url = f"{lab.service_url}/sam/annotations/{number}/refine"
    assert httpx.post(url, json={}, trust_env=False, timeout=300).status_code == 401
    assert httpx.post(url, json={}, headers=HEADERS, trust_env=False, timeout=300).status_code == 200


@pytest.mark.long
def test_one_page_has_the_figures_of_all_replicas(lab: Lab) -> None:
    assert lab.refine(lab.draw(BOX)).status_code == 200

    def seen() -> dict[str, set[str]]:
        page = httpx.get(f"{lab.service_url}/metrics", trust_env=False).text
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
        names: dict[str, set[str]] = {}
        for sample in samples:
            names.setdefault(sample.labels["replica"].split("-")[0], set()).add(sample.name)
        names["models"] = {each.labels["replica"] for each in samples if each.name == "refine_queue_waiting"}
        return names

    until(lambda: len(seen()["models"]) == 2)
    found = seen()
    assert {"refine_queue_oldest_seconds", "refine_encoder_batches_total", "refine_model_info"} <= found["model"]
    assert {"refine_requests_total", "refine_step_seconds_bucket", "refine_embedding_cache_bytes"} <= found["ingress"]
    assert "refine_queue_waiting" not in found["ingress"]  # it would count twice


@pytest.mark.long
def test_too_many_are_told_when_to_come_back(cytomine: EmbeddedCytomine, tmp_path: Path) -> None:
    url, settings = ray_lab.new_url(), impatient(cytomine, max_waiting=2, engine_folder=tmp_path)
    with ray_lab.serving(settings, url, replicas=2, factory=FIXED):
        lab = settle(cytomine, "busy", url)
        drawn = [draw(lab, number) for number in range(12)]
        lab.cytomine.faults.clear()
        with ThreadPoolExecutor(12) as pool:
            with held(settings):  # until all have come: each replica has one at work and two in line
                asked = [pool.submit(lab.refine, each.annotation) for each in drawn]
                until(lambda: sum(each.done() for each in asked) >= 12 - 2 * (1 + 2))
            answers = [each.result() for each in asked]
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 503}
        assert statuses[200] > 1 + 2  # both replicas' lines were used
        for answer in answers:
            if answer.status_code == 503:
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.json()["type"].endswith("model-busy")
        assert_nothing_half_done(lab, drawn)


@pytest.mark.long
def test_replicas_die_under_load_and_nothing_is_half_done(lab: Lab, record_property: pytest.RecordProperty) -> None:
    name = lab.service_url.rpartition("/")[2]
    edges, models = replicas("ingress", name), replicas("model", name)
    start, over = time.monotonic(), threading.Event()
    guard, drawn, seen = threading.Lock(), [], []
    lab.cytomine.faults.clear()

    def person(number: int) -> None:
        while not over.is_set():
            with guard:
                mine = draw(lab, len(drawn))
                drawn.append(mine)
            try:
                status = lab.refine(mine.annotation).status_code
            except httpx.TransportError:
                status = 0
            with guard:
                seen.append((time.monotonic() - start, status))
            if status != 200:
                time.sleep(0.2)

    with ThreadPoolExecutor(6) as pool:
        people = [pool.submit(person, number) for number in range(6)]
        try:
            more([seen], 6)
            kill(next(iter(models.values())))
            more([seen], 18)  # each of the six was asked for by then, and asked again
            assert {status for _, status in seen} == {200}  # of the model's replica nobody noticed anything
            killed = time.monotonic() - start
            kill(next(iter(edges.values())))
            until(lambda: any(status != 200 for _, status in seen))
            away = len(seen)
            until(lambda: any(status == 200 for _, status in seen[away:]))
        finally:
            over.set()
        for each in people:
            each.result()
    again = next(at for at, status in seen[away:] if status == 200) - killed
    statuses = Counter(status for _, status in seen)
    record_property("statuses", dict(statuses))
    record_property("seconds without an edge", again)
    print(f"\nstatuses {dict(statuses)}, an edge again after {again:.1f} s")
    assert lab.refine(draw(lab, 0).annotation).status_code == 200
    time.sleep(1)
    assert_nothing_half_done(lab, drawn)


@pytest.mark.long
def test_what_has_begun_is_finished_before_the_end(cytomine: EmbeddedCytomine) -> None:
    url = ray_lab.new_url()
    with ThreadPoolExecutor(2) as pool:
        with ray_lab.serving(impatient(cytomine), url, factory="tests.scale.models:slow"):
            lab = settle(cytomine, "draining", url)
            drawn = [draw(lab, number) for number in range(2)]
            lab.cytomine.faults.clear()
            lab.cytomine.faults.add(Fault("slow", path="/window", seconds=1.0, times=None))
            answers = [pool.submit(lab.refine, each.annotation) for each in drawn]
            asked = {f"/api/annotation/{each.annotation}.json" for each in drawn}
            until(lambda: asked <= set(lab.requests("GET")))
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert lab.location(drawn[0].annotation) != drawn[0].box
    assert_nothing_half_done(lab, drawn)


@pytest.mark.long
def test_edges_share_what_one_of_them_has_encoded(cytomine: EmbeddedCytomine) -> None:
    url = ray_lab.new_url()
    with ray_lab.serving(impatient(cytomine), url, factory=FIXED, ingresses=2):
        lab = settle(cytomine, "edges", url)
        name = url.rpartition("/")[2]
        number, count = lab.draw(BOX), 0

        def encode_ms(annotation: int) -> float:
            nonlocal count
            count += 1
            return float(lab.refine(annotation, dry_run=True).json()["timings_ms"]["encode"])

        def counted() -> dict[str, float]:
            pages: list[dict[str, float]] = []
            until(lambda: pages.append(served_by(url)) or sum(pages[-1].values()) == count)
            return pages[-1]

        assert encode_ms(number) > 0
        until(lambda: encode_ms(lab.draw(BOX)) == 0 and len(served_by(url)) == 2)  # the proxy knows both by now
        before = counted()
        assert [encode_ms(number) for _ in range(3)] == [0, 0, 0]
        after = counted()
        assert sorted(after[edge] - before[edge] for edge in after) == [
            0,
            3,
        ]  # those of one annotation meet in one edge
        (first, _) = replicas("ingress", name).values()
        kill(first)
        until(lambda: lab.refine(number, dry_run=True).status_code == 200)


@pytest.mark.long
def test_the_file_for_serve_deploy_runs_and_swaps_weights_while_people_refine(cytomine: EmbeddedCytomine) -> None:
    ray_lab.declare(of_the_file(cytomine, sha256=OLD))
    url = f"{ray_lab.base_url()}/from-the-file"
    until(lambda: is_ready(url))
    lab, over = settle(cytomine, "file", url), threading.Event()
    numbers = itertools.count()  # boxes that nobody drew before: windows at hand are decoded by their own weights

    seen: list[list[tuple[int, str]]] = [[] for _ in range(3)]

    def person(number: int) -> None:
        while not over.is_set():
            answer = lab.refine(draw(lab, next(numbers)).annotation)
            seen[number].append((answer.status_code, answer.json().get("model", {}).get("checkpoint_sha256", "")))

    with ThreadPoolExecutor(3) as pool:
        people = [pool.submit(person, number) for number in range(3)]
        try:
            more(seen, 1)
            ray_lab.declare(of_the_file(cytomine, sha256=NEW))
            until(lambda: {sha256_of(lab, next(numbers)) for _ in range(8)} == {NEW})  # both replicas
            more(seen)
        finally:
            over.set()
        for each in people:
            each.result()
    for mine in seen:
        assert {status for status, _ in mine} == {200}
        assert (mine[0][1], mine[-1][1], {sha256 for _, sha256 in mine}) == (OLD, NEW, {OLD, NEW})
    ray_lab.declare()


def of_the_file(cytomine: EmbeddedCytomine, **weights: str) -> dict[str, object]:
    """Give the application of ``serve.yaml``, with a small model and an environment of its own."""
    (application,) = yaml.safe_load((ROOT / "scale/serve.yaml").read_text())["applications"]
    account = cytomine.store.add_user("refine-service")
    environment = {
        "REFINE_PLATFORM__HOST": cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": account.private_key,
        "REFINE_API__SHARED_SECRET": SECRET,
    }
    application["args"] |= {"replicas": 2, "max_replicas": 2, "factory": "tests.scale.models:slow_to_load"}
    (model,) = application["deployments"]
    return application | {
        "name": "from-the-file",
        "route_prefix": "/from-the-file",
        "runtime_env": {"env_vars": environment},
        "deployments": [model | {"user_config": weights}],
    }


def sha256_of(lab: Lab, number: int) -> str:
    return str(lab.refine(draw(lab, number).annotation, dry_run=True).json()["model"]["checkpoint_sha256"])


@pytest.mark.long
def test_the_command_ends_everything_that_it_started(cytomine: EmbeddedCytomine, tmp_path: Path) -> None:
    temporary = Path(tempfile.mkdtemp())  # the paths of Ray's sockets must be short
    account = cytomine.store.add_user("refine-service")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "REFINE_PLATFORM__HOST": cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": account.private_key,
        "REFINE_API__SHARED_SECRET": SECRET,
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "TMPDIR": str(temporary),
    }
    command = [sys.executable, "-m", "scale", "serve", "--replicas", "1", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    until(lambda: is_ready(url) or process.poll() is not None)
    assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
    lab = settle(cytomine, "command", url)
    number = lab.draw(BOX)
    assert lab.refine(number).status_code == 200, (tmp_path / "log").read_text()[-3000:]
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 3
    assert {each.nice() for each in started} == {os.nice(0)}  # people wait for them, however busy the machine is
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, (tmp_path / "log").read_text()[-3000:]
    _, left = psutil.wait_procs(started, timeout=20)
    assert left == []
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


def served_by(url: str) -> dict[str, float]:
    """Tell how many refines without writing each edge has answered."""
    page = httpx.get(f"{url}/metrics", trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {
        sample.labels["replica"]: sample.value
        for sample in samples
        if sample.name == "refine_requests_total"
        and (sample.labels["use_case"], sample.labels["outcome"]) == ("refine", "dry run")
    }


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/sam/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
