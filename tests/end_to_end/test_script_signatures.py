"""Many signed requests in one second, by both generations' signatures: each is taken, and each only once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.settings import ApiSettings, PlatformSettings, SegmenterSettings, Settings
from app.signing import SignatureForm
from cytomine_refine import ApiKeyAuth, RefineClient
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Role
from tests.end_to_end.scripting import boxes, environment, example, outcomes_of, refined
from tests.lab import BOX, Lab, serving, settle, with_addition

MANY, JOBS = 16, 4


@pytest.fixture(scope="module")
def generation_2026(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    """A Core that checks short signatures, with the addition, and the service beside it."""
    with with_addition(tmp_path_factory.mktemp("2026"), "s" * 64, signature="short") as running:
        yield running


def test_the_command_works_on_2026_with_parallel_jobs(
    generation_2026: tuple[EmbeddedCytomine, str], tmp_path: Path
) -> None:
    cytomine, service_url = generation_2026
    lab = settle(cytomine, "parallel jobs", service_url)
    boxes(lab, MANY)
    refined(lab, tmp_path, "--project", str(lab.project), "--signature", "short", "--jobs", str(JOBS))
    assert outcomes_of(tmp_path / "refined.csv") == ["changed"] * MANY


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="no curl or openssl here")
def test_the_curl_example_of_2026(generation_2026: tuple[EmbeddedCytomine, str], tmp_path: Path) -> None:
    cytomine, service_url = generation_2026
    lab = settle(cytomine, "curl", service_url)
    annotation = lab.draw(BOX)
    command, keys = ["bash", "-euc", example("curl, Cytomine 2026")], environment(lab, annotation)
    subprocess.run(command, env=keys, cwd=tmp_path, check=True, timeout=60)
    assert lab.iou(annotation) > 0.8


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as embedded:
        yield embedded


@pytest.fixture(scope="module", params=["full", "short"])
def checking(request: pytest.FixtureRequest, cytomine: EmbeddedCytomine) -> Iterator[tuple[Lab, SignatureForm]]:
    """A service that checks signatures itself, by one form or the other."""
    account = cytomine.store.add_user("image-server", role=Role.SUPER_ADMIN)
    platform = PlatformSettings(
        host=cytomine.base_url, public_key=account.public_key, private_key=SecretStr(account.private_key)
    )
    api = ApiSettings(signatures=request.param, log_level="warning")
    segmenter = SegmenterSettings(device="cpu", demo_model=True)
    with serving(Settings(platform=platform, segmenter=segmenter, api=api)) as url:
        yield settle(cytomine, f"signatures {request.param}", url), request.param


def test_the_service_takes_parallel_requests_of_one_user(checking: tuple[Lab, SignatureForm]) -> None:
    lab, form = checking
    keys = ApiKeyAuth(lab.alice.public_key, lab.alice.private_key, form)
    with (
        RefineClient(lab.cytomine.base_url, keys, service_url=f"{lab.service_url}/sam") as client,
        ThreadPoolExecutor(JOBS) as pool,
    ):
        assert all(result.changed for result in pool.map(client.refine, boxes(lab, MANY)))


def test_the_same_request_twice_in_a_second_is_taken_and_a_replay_is_not(checking: tuple[Lab, SignatureForm]) -> None:
    lab, form = checking
    annotation, heard = lab.draw(BOX), []
    keys = ApiKeyAuth(lab.alice.public_key, lab.alice.private_key, form)
    url = f"{lab.service_url}/sam/annotations/{annotation}/refine"
    with httpx.Client(trust_env=False, timeout=60, event_hooks={"request": [heard.append]}) as http:
        for _ in range(4):
            assert http.post(url, json={"dry_run": True}, auth=keys).status_code == 200
        assert http.send(heard[-1]).status_code == 401
