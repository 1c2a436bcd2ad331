"""What all tests share: how thorough generated tests are, and where the shared histology data lies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import ray_lab

settings.register_profile("push", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "push"))

# A job in the background of a shell ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads of a model that wait for one another burn the cores that other tests need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["REFINE_SEGMENTER__DEMO_MODEL"] = "true"  # what runs in most tests; those of the refusal say otherwise
FIRST = ("browser", "scale", "training", "segmenter", "end_to_end", "bench", "doctor", "demo")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the tests of mutated files try more of them."""
    parser.addoption("--mutants", type=int, default=300, help="How many mutated files are tried.")


@pytest.fixture
def mutants(request: pytest.FixtureRequest) -> int:
    """How many mutated files a test of them tries."""
    return int(request.config.getoption("--mutants"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real slides and tiles with outlined objects; a machine without them skips, saying so."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no shared histology data beside the project (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder of traced engines for all tests, whichever process they run in, as several replicas share one."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "engines"
    folder.mkdir(exist_ok=True)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the rooms that take longest, so that all processes end at about the same time."""
    items.sort(key=lambda item: FIRST.index(_room(item)) if _room(item) in FIRST else len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give the tests of a file to one process, with the servers that they share, and all that need Ray to one, too."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, _ = nodeid.partition("::")
            return "ray" if file.startswith("tests/scale/") or file.endswith("_on_ray.py") else file

    return ByFile(config, log)


def _room(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """End what tests share beyond their folders, after their fixtures."""
    ray_lab.close()
