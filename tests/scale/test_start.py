"""How Ray is started on a machine that is busy, and what is left where it cannot be started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from scale import run

TOO_BUSY = Exception("The current node timed out during startup.")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stand in for what starts and ends processes, here only: threads of a Ray that runs would start one, too."""
    fake = Mock()
    fake.is_initialized.side_effect = lambda: fake.init.call_count == 3
    monkeypatch.setattr(run, "ray", fake)
    monkeypatch.setattr(run, "serve", Mock(start=fake.start_serve, shutdown=fake.end_serve))
    return fake


def test_ray_is_started_again_where_its_processes_did_not_come_in_time(fake: Mock) -> None:
    fake.init.side_effect = [TOO_BUSY, TOO_BUSY, None]
    with run.cluster() as url:
        assert url.startswith("http://127.0.0.1:")
    assert (fake.init.call_count, fake.start_serve.call_count, fake.end_serve.call_count) == (3, 1, 1)


def test_where_ray_does_not_start_serve_starts_none_to_end_itself(fake: Mock) -> None:
    fake.init.side_effect = TOO_BUSY
    fake.is_initialized.side_effect = lambda: False
    with pytest.raises(Exception, match="timed out during startup"), run.cluster():
        pass
    assert (fake.init.call_count, fake.start_serve.call_count, fake.end_serve.call_count) == (3, 0, 0)
    assert not Path(fake.init.call_args.kwargs["_temp_dir"]).exists()


TIMES = "from ray.serve._private import constants as c; print(c.PROXY_READY_CHECK_TIMEOUT_S, c.HTTP_PROXY_TIMEOUT)"


def test_a_proxy_that_starts_slowly_is_not_ended_while_serve_waits_for_it(fake: Mock) -> None:
    with run.cluster():
        environment = dict(os.environ)  # which Ray's processes inherit
    told = subprocess.run([sys.executable, "-c", TIMES], env=environment, capture_output=True, text=True, check=True)
    ready, waited = map(float, told.stdout.split())
    assert fake.init.call_count == 1
    assert ready >= waited


def test_what_people_wait_for_is_as_urgent_as_anything_that_runs_beside_it(fake: Mock) -> None:
    with run.cluster():
        environment = dict(os.environ)
    assert environment["RAY_worker_niceness"] == "0"  # else 15, for batch jobs
    assert fake.init.call_count == 1
