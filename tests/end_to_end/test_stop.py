"""The service is told to stop while the image server hangs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from demo.service import running_service
from tests.lab import BOX, SECRET, free_port, in_one_process, settle


@in_one_process
def test_a_hanging_image_server_does_not_keep_the_service(cytomine: EmbeddedCytomine, tmp_path: Path) -> None:
    account = cytomine.store.add_user("refine-service")
    keys = (account.public_key, account.private_key)
    patience = {"REFINE_API__GRACE_S": "1", "REFINE_PLATFORM__READ_TIMEOUT_S": "300"}
    port, log, asked = free_port(), tmp_path / "service.log", threading.Event()
    with (
        running_service(port, cytomine.base_url, keys, SECRET, log, **patience) as service,
        ThreadPoolExecutor(1) as pool,
    ):
        lab = settle(cytomine, "stop", service.url)
        number = lab.draw(BOX)
        cytomine.faults.add(Fault("hang", path="/ims/.*/window", hook=asked.set))
        refining = pool.submit(lab.refine, number)
        assert asked.wait(60)
        service.process.terminate()
        service.process.wait(120)  # PIMS would be waited for until 300 s are over
        with pytest.raises(httpx.HTTPError):
            refining.result(60).raise_for_status()
    cytomine.faults.clear()
    assert lab.location(number) == BOX.wkt
