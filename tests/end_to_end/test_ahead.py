"""What was encoded once is not encoded again, and nobody works for a client that went away; over real HTTP."""

from __future__ import annotations

import time

import httpx
import pytest
import shapely

from demo.cytomine.faults import Fault
from tests.lab import BOX, DISC_X, DISC_Y, HEADERS, Lab
from tests.waiting import until


def embeddings(lab: Lab, **body: object) -> httpx.Response:
    return httpx.post(f"{lab.service_url}/sam/embeddings", json=body, headers=HEADERS, timeout=10, trust_env=False)


def windows(lab: Lab) -> int:
    return sum(path.endswith("/window") for path in lab.requests("POST"))


@pytest.mark.parametrize("by", ["annotation", "shape"])
def test_what_was_prepared_is_refined_without_reading_or_encoding(lab: Lab, by: str) -> None:
    number = lab.draw(BOX)
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(BOX)}
    asked = {"annotation_id": number} if by == "annotation" else {"image_id": lab.image, "geometry": feature}
    lab.cytomine.faults.clear()
    answer = embeddings(lab, **asked)
    assert answer.status_code == 202, answer.text
    until(lambda: windows(lab))
    result = lab.refine(number).json()
    assert result["changed"]
    assert windows(lab) == 1
    assert {key: result["window"][key] for key in answer.json()["window"]} == answer.json()["window"]


def test_another_point_needs_no_encoder(lab: Lab) -> None:
    number = lab.draw(BOX)
    assert lab.refine(number, dry_run=True).json()["timings_ms"]["encode"] > 0
    lab.point(DISC_X, DISC_Y)
    again = lab.refine(number, dry_run=True).json()
    assert again["points_used"]
    assert again["timings_ms"]["encode"] == again["timings_ms"]["window"] == 0


def test_what_is_prepared_keeps_to_the_rights(lab: Lab) -> None:
    assert embeddings(lab, annotation_id=10**9).status_code == 404
    assert embeddings(lab, annotation_id=lab.point(10, 10)).status_code == 422
    forget = httpx.delete(f"{lab.service_url}/sam/embeddings", headers=HEADERS, timeout=10, trust_env=False)
    assert forget.status_code == 204


def test_nothing_is_written_for_a_client_that_went_away(lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.cytomine.faults.clear()
    lab.cytomine.faults.add(Fault("slow", path="/window", seconds=1.5))
    with pytest.raises(httpx.ReadTimeout):
        lab.refine(number, timeout_s=0.5)
    until(lambda: windows(lab))
    time.sleep(0.5)
    assert lab.requests("PUT") == lab.requests("DELETE") == []
    assert lab.location(number) == BOX.wkt
    assert lab.refine(number).json()["points_deleted"] == [point]
