import io
import threading

import pytest
import shapely
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw

from app.errors import ModelBusy
from app.geometry.polygons import iou
from app.geometry.prompts import PointLabel
from app.main import assemble
from app.settings import Settings
from tests.api.conftest import BOX, SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

DISC = shapely.Point(500, 400).buffer(60, quad_segs=64)
AREA = {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.from_wkt(BOX)), "properties": {}}


def point(x: float, y: float, **properties: int) -> dict:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": properties}


@pytest.mark.parametrize("url", ["/sam/autonomous_prediction?annotation_id=7", "/sam/annotations/7/refine"])
def test_refining_answers_a_whole_result(client: TestClient, gateway: FakeGateway, url: str) -> None:
    answer = client.post(url)
    assert answer.status_code == 200
    body = answer.json()
    assert body["message"] == "Change completed successfully."
    assert body["changed"] is True
    assert body["annotation_id"] == 7
    assert body["previous_location"] == BOX
    assert body["location"] == gateway.annotations[7].location
    assert shapely.geometry.shape(body["geojson"]["geometry"]).equals(shapely.from_wkt(body["location"]))
    assert body["geojson"]["type"] == "Feature"
    assert (body["points_used"], body["points_deleted"], body["points_not_deleted"]) == ([11], [11], [])
    assert body["command"] == 88
    assert body["model"].keys() == {"name", "origin", "checkpoint_sha256", "precision", "device"}
    assert body["window"] == {"x": 340, "y": 240, "width": 320, "height": 320, "downsample": 1.25}
    assert body["timings_ms"].keys() >= {"validity", "box", "points", "window", "encode", "decode", "update", "total"}
    assert "encode;dur=" in answer.headers["Server-Timing"]


def test_options_reach_the_use_case(client: TestClient, gateway: FakeGateway) -> None:
    body = client.post("/sam/annotations/7/refine", json={"dry_run": True, "points": "ignore"}).json()
    assert body["changed"] is False
    assert body["points_used"] == []
    assert body["message"].startswith("Dry run")
    assert gateway.annotations[7].location == BOX
    kept = client.post("/sam/autonomous_prediction", params={"annotation_id": 7, "keep_points": True}).json()
    assert kept["points_used"] == [11]
    assert kept["points_deleted"] == []


def test_nothing_found_says_so_and_leaves_the_annotation(client: TestClient, reader: DiscReader) -> None:
    reader.radius = 0
    body = client.post("/sam/annotations/7/refine").json()
    assert body["changed"] is False
    assert "no object" in body["message"]
    assert body["location"] == body["previous_location"] == BOX


def test_a_box_is_predicted_and_nothing_written(client: TestClient, gateway: FakeGateway) -> None:
    request = {"image_id": 5, "geometry": AREA, "points": [point(500, 400), point(430, 330, label=0)]}
    answer = client.post("/sam/prediction", json=request)
    assert answer.status_code == 200
    body = answer.json()
    assert body["type"] == "Feature"
    assert iou(shapely.geometry.shape(body["geometry"]), DISC) > 0.95
    assert body["properties"]["score"] == pytest.approx(0.9)
    assert body["properties"]["timings_ms"]["total"] > 0
    assert gateway.writes == []


@pytest.mark.parametrize("properties", [{}, {"properties": None}, {"properties": {}}], ids=str)
def test_a_point_without_properties_means_the_object(
    client: TestClient, segmenter: DarkSegmenter, properties: dict[str, object]
) -> None:
    bare = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [500, 400]}, **properties}
    assert client.post("/sam/prediction", json={"image_id": 5, "geometry": AREA, "points": [bare]}).status_code == 200
    assert segmenter.prompts[0].labels == (PointLabel.FOREGROUND,)


def test_a_smart_prediction_finds_points_and_deletes_none(
    client: TestClient, gateway: FakeGateway, segmenter: DarkSegmenter
) -> None:
    answer = client.post("/sam/smart_prediction", json={"image_id": 5, "user_id": 61, "geometry": AREA})
    assert answer.status_code == 200
    assert len(segmenter.prompts[0].points) == 1
    assert gateway.writes == []


@pytest.mark.parametrize("route", ["prediction", "smart_prediction"])
def test_nothing_predicted_is_204_without_a_body(client: TestClient, reader: DiscReader, route: str) -> None:
    reader.radius = 0
    user = {"user_id": 61} if route == "smart_prediction" else {}
    answer = client.post(f"/sam/{route}", json={"image_id": 5, "geometry": AREA, **user})
    assert answer.status_code == 204
    assert answer.content == b""


@pytest.mark.parametrize(
    "coordinates",
    [
        [],
        {},
        "abc",
        [5],
        [None],
        [{}],
        [[]],
        [[{}]],
        [[[0, 0]]],
        [[[0, 0], [1, 1]]],
        [[[0, 0], [1, "a"], [1, 1], [0, 0]]],
        [[[10**400, 0], [1, 1], [1, 0], [10**400, 0]]],
    ],
    ids=lambda value: str(value)[:30],
)
def test_coordinates_that_are_no_area_are_refused(client: TestClient, coordinates: object) -> None:
    area = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": coordinates}}
    answer = client.post("/sam/prediction", json={"image_id": 5, "geometry": area})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "place", [[10**400, 0], [1e308, 0], ["1", 2], [True, 2], [1], [None, 1]], ids=lambda v: str(v)[:30]
)
def test_points_that_are_no_place_are_refused(client: TestClient, place: list[object]) -> None:
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": place}}
    answer = client.post("/sam/prediction", json={"image_id": 5, "geometry": AREA, "points": [point]})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("url", ["/", "/health"])
def test_health_tells_what_runs(client: TestClient, url: str) -> None:
    body = client.get(url, headers={"X-Refine-Secret": ""}).json()
    assert body["status"] == "healthy"
    assert body["gpu"] is False
    assert body["version"]
    assert body["model"]["name"] == "dark"
    assert body["warning"] is None


def test_the_embedded_model_is_called_a_demo(settings: Settings, gateway: FakeGateway) -> None:
    class Embedded(DarkSegmenter):
        @property
        def info(self):
            return type(super().info)("embedded", "embedded", "0" * 64, "float32", "cuda:0")

    with TestClient(assemble(settings, gateway, DiscReader(), Embedded())) as client:
        body = client.get("/health").json()
    assert body["warning"] == "The demo model is running; it is not meant for annotation work."
    assert body["gpu"] is True


def test_every_outline_of_the_demo_model_says_where_it_comes_from(settings: Settings, gateway: FakeGateway) -> None:
    class Embedded(DarkSegmenter):
        @property
        def info(self):
            return type(super().info)("embedded", "embedded", "0" * 64, "float32", "cpu")

    crop = Image.new("RGB", (320, 320), (255, 255, 255))
    ImageDraw.Draw(crop).ellipse((100, 100, 220, 220), (40, 40, 40))
    content = io.BytesIO()
    crop.save(content, "PNG")
    fields = {"image_width": "1000", "image_height": "800", "location": BOX}

    def doubts(segmenter: DarkSegmenter) -> list[object]:
        app = assemble(settings, gateway, DiscReader(), segmenter)
        with TestClient(app, headers={"X-Refine-Secret": SECRET}) as client:
            refined = client.post("/sam/annotations/7/refine", json={"dry_run": True})
            predicted = client.post("/sam/prediction", json={"image_id": 5, "geometry": AREA})
            cropped = client.post("/sam/annotations/refine", data=fields, files={"annotation_crop": content.getvalue()})
        return [
            refined.json()["doubts"], predicted.json()["properties"]["doubts"], cropped.json()["properties"]["doubts"]
        ]  # fmt: skip

    said = "This outline comes from the demo model, which is not meant for annotation work."
    assert doubts(Embedded()) == [[said]] * 3
    assert doubts(DarkSegmenter()) == [[]] * 3


def test_ready_waits_for_the_warm_up_and_health_does_not(settings: Settings, gateway: FakeGateway) -> None:
    segmenter = DarkSegmenter(warmed_up=threading.Event())
    closed = []
    with TestClient(assemble(settings, gateway, DiscReader(), segmenter, lambda: closed.append(1))) as client:
        answer = client.get("/sam/ready")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert client.get("/health").json()["ready"] is False
        segmenter.warmed_up.set()
        while client.get("/sam/ready").status_code != 200:
            pass
        assert client.get("/health").json()["ready"] is True
    assert closed == [1]


def test_metrics_count_steps_outcomes_and_problems(client: TestClient, segmenter: DarkSegmenter) -> None:
    client.post("/sam/annotations/7/refine")
    segmenter.error = ModelBusy("full", retry_after_s=3.2)
    answer = client.post("/sam/annotations/7/refine")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "4"
    page = client.get("/metrics").text
    assert 'refine_requests_total{outcome="changed",use_case="refine"} 1.0' in page
    assert 'refine_step_seconds_count{step="encode"} 1.0' in page
    assert 'refine_problems_total{type="model-busy"} 1.0' in page


def test_the_documentation_can_be_switched_off(settings: Settings, gateway: FakeGateway) -> None:
    closed = settings.model_copy(update={"api": settings.api.model_copy(update={"docs": False})})
    for chosen, status in ((settings, 200), (closed, 404)):
        with TestClient(assemble(chosen, gateway, DiscReader(), DarkSegmenter())) as client:
            assert client.get("/sam/openapi.json", headers={"X-Refine-Secret": SECRET}).status_code == status


@pytest.mark.parametrize("base", ["/refine", "/deep/er", ""])
def test_another_prefix_moves_the_work_and_not_the_health(settings: Settings, gateway: FakeGateway, base: str) -> None:
    moved = settings.model_copy(update={"base_path": base})
    with TestClient(assemble(moved, gateway, DiscReader(), DarkSegmenter())) as client:
        for url in ("/", "/health", "/metrics"):
            assert client.get(url).status_code == 200
        assert client.post(f"{base}/annotations/7/refine").status_code == 401
        assert client.post(f"{base}/annotations/7/refine", headers={"X-Refine-Secret": SECRET}).status_code == 200
        assert client.get(f"{base}/ready").status_code in (200, 503)


def test_the_encoder_works_ahead_of_the_click(client: TestClient, segmenter: DarkSegmenter) -> None:
    answer = client.post("/sam/embeddings", json={"annotation_id": 7})
    assert answer.status_code == 202
    assert answer.json() == {"window": {"x": 340, "y": 240, "width": 320, "height": 320}}
    refined = client.post("/sam/annotations/7/refine", json={"dry_run": True}).json()
    assert segmenter.encoded == 1
    assert refined["window"]["x"] == 340
    figures = client.get("/metrics").text
    assert 'refine_windows_total{source="encoder"} 1.0' in figures
    assert 'refine_windows_total{source="store"} 0.0' in figures
    assert "process_resident_memory_bytes" in figures


def test_shapes_are_prepared_too(client: TestClient) -> None:
    ring = [[420, 320], [580, 320], [580, 480], [420, 480], [420, 320]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    answer = client.post("/sam/embeddings", json={"image_id": 5, "geometry": feature})
    assert (answer.status_code, answer.json()["window"]["width"]) == (202, 320)


@pytest.mark.parametrize("body", [{}, {"image_id": 5}, {"annotation_id": 7, "image_id": 5}, {"annotation_id": 0}])
def test_what_is_neither_annotation_nor_shape_is_not_prepared(client: TestClient, body: dict) -> None:
    assert client.post("/sam/embeddings", json=body).status_code == 400


def test_an_unknown_annotation_is_not_prepared(client: TestClient) -> None:
    assert client.post("/sam/embeddings", json={"annotation_id": 8}).status_code == 404
