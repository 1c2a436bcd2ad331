"""An option that a route does not know is refused, in query, body and form, and nothing is done."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import BOX
from tests.fakes.rooms import DarkSegmenter, FakeGateway

REFINE, FIRST = "/sam/annotations/7/refine", "/sam/autonomous_prediction?annotation_id=7"
CROP = {"image_width": "1000", "image_height": "800", "location": BOX}
AREA = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}}
PREDICTION = {"image_id": 5, "geometry": AREA}


@pytest.mark.parametrize(
    ("method", "url", "sent", "named"),
    [
        ("POST", f"{REFINE}?dry_run=true", {}, "dry_run"),
        ("POST", f"{REFINE}?keep_points=true", {"json": {"dry_run": True}}, "keep_points"),
        ("POST", f"{REFINE}?a=1&b=2", {}, "a, b"),
        ("POST", f"{REFINE}?dry_run", {}, "dry_run"),
        ("POST", REFINE, {"json": {"dryRun": True}}, "dryRun"),
        ("POST", REFINE, {"data": {"dry_run": "true"}}, "body"),
        ("POST", f"{FIRST}&dryrun=true", {}, "dryrun"),
        ("POST", f"{FIRST}&dry_run=true&dry_run=false", {}, "dry_run"),
        ("POST", f"{FIRST}&annotation_id=8", {}, "annotation_id"),
        ("POST", FIRST, {"json": {"dry_run": True}}, "dry_run"),
        ("POST", FIRST, {"json": ["dry_run"]}, "not an object"),
        ("POST", FIRST, {"content": b"dry_run=true"}, "not JSON"),
        ("POST", "/sam/prediction?dry_run=true", {"json": PREDICTION}, "dry_run"),
        ("POST", "/sam/prediction", {"json": {**PREDICTION, "hole": "keep"}}, "hole"),
        ("POST", "/sam/smart_prediction?x=1", {"json": {**PREDICTION, "user_id": 61}}, "x"),
        ("POST", "/sam/embeddings?x=1", {"json": {"annotation_id": 7}}, "x"),
        ("DELETE", "/sam/embeddings?annotation_id=7", {}, "annotation_id"),
        ("DELETE", "/sam/embeddings", {"json": {"annotation_id": 7}}, "annotation_id"),
    ],
)
def test_what_a_route_does_not_know_is_refused_by_name(
    client: TestClient, gateway: FakeGateway, method: str, url: str, sent: dict, named: str
) -> None:
    answer = client.request(method, url, **sent)
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:cytomine-refine:invalid-request"
    assert named in answer.json()["detail"]
    assert gateway.writes == []


@pytest.mark.parametrize(
    ("url", "data", "named"),
    [
        ("", {**CROP, "dry_run": "true"}, "dry_run"),
        ("?holes=keep", CROP, "holes"),
        ("", {**CROP, "image_width": ["1000", "2000"]}, "image_width"),
    ],
)
def test_a_crop_comes_with_its_four_fields_and_no_other(
    client: TestClient, segmenter: DarkSegmenter, url: str, data: dict, named: str
) -> None:
    answer = client.post(f"/sam/annotations/refine{url}", data=data, files={"annotation_crop": b"pixels"})
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert segmenter.encoded == 0


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
def test_an_empty_body_says_nothing(client: TestClient, body: bytes) -> None:
    assert client.post(FIRST, content=body).status_code == 200


@pytest.mark.parametrize(
    ("option", "seen"),
    [
        ("dry_run=true", {"changed": False, "message": "Dry run: nothing was written."}),
        ("keep_points=true", {"points_used": [11], "points_deleted": []}),
        ("points=ignore", {"points_used": []}),
    ],
)
def test_the_first_route_takes_every_option_in_its_query(client: TestClient, option: str, seen: dict) -> None:
    assert client.post(f"{FIRST}&{option}").json().items() >= seen.items()


@pytest.mark.parametrize(("holes", "kept"), [("fill", 0), ("keep", 1)])
def test_both_routes_mean_the_same_by_holes_and_parts(
    client: TestClient, gateway: FakeGateway, segmenter: DarkSegmenter, holes: str, kept: int
) -> None:
    decode = segmenter.decode

    def ring(embedding, prompts):  # type: ignore[no-untyped-def]
        masks = decode(embedding, prompts)
        rows, columns = masks.logits.shape[1:]
        masks.logits[:, rows // 2 - 12 : rows // 2 + 12, columns // 2 - 12 : columns // 2 + 12] *= -1
        return masks

    segmenter.decode = ring  # type: ignore[method-assign]
    by_query = client.post(f"{FIRST}&dry_run=true&holes={holes}&parts=largest").json()
    by_body = client.post(REFINE, json={"dry_run": True, "holes": holes, "parts": "largest"}).json()
    assert by_query["geojson"] == by_body["geojson"]
    assert json.dumps(by_query["geojson"]["geometry"]["coordinates"]).count("]], [[") == kept
