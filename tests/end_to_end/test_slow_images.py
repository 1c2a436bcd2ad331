"""An image server that hangs for one slide costs the requests for that slide, and nobody else's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import shapely

from demo.cytomine.faults import Fault
from tests.lab import BOX, HEADERS, HEIGHT, WIDTH, Lab, in_one_process, serving, settings_for


@in_one_process
def test_hanging_reads_leave_the_encoder_to_others(lab: Lab) -> None:
    settings = settings_for(lab.cytomine)
    patient = settings.platform.model_copy(update={"read_timeout_s": 10.0})
    short = settings.segmenter.model_copy(update={"max_waiting": 4})
    hanging = lab.cytomine.store.add_image(lab.project, lab.alice.id, "hanging.png", WIDTH, HEIGHT)
    lab.cytomine.faults.clear()
    lab.cytomine.faults.add(Fault("hang", path="hanging.png/window", times=None))
    with (
        ThreadPoolExecutor(4) as pool,
        serving(settings.model_copy(update={"platform": patient, "segmenter": short})) as url,
    ):
        beside = replace(lab, service_url=url)
        number = beside.draw(BOX)

        def predict(at: int) -> httpx.Response:
            box = shapely.geometry.mapping(shapely.box(100 * at, 100, 100 * at + 80, 180))
            body = {"image_id": hanging, "geometry": {"type": "Feature", "geometry": box}}
            return httpx.post(f"{url}/sam/prediction", json=body, headers=HEADERS, timeout=60, trust_env=False)

        asked = [pool.submit(predict, at) for at in range(4)]
        give_up = time.monotonic() + 30
        while lab.cytomine.faults.under_way < 4:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        answer = beside.refine(number)
        assert answer.status_code == 200, answer.text
        assert [each.result(60).status_code for each in asked] == [504] * 4
    assert lab.iou(number) > 0.8
