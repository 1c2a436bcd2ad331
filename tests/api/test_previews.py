"""Previews that travel: nothing but what this service has sealed opens, and it opens as it was."""

from __future__ import annotations

import base64
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.api.previews import KEPT_S, Previews, key_of
from app.errors import PreviewUnfit
from app.geometry.outlines import OutlineOptions
from app.geometry.prompts import PointLabel
from app.geometry.windows import Region, Window
from app.main import assemble
from app.settings import ApiSettings, PlatformSettings, Settings
from app.usecases.doubts import Judged
from app.usecases.ports import PointAnnotation
from app.usecases.preview import Preview
from app.usecases.prompt_session import Click
from app.usecases.recipe import Recipe
from app.usecases.segment_roi import Account
from tests.api.conftest import BOX, SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

ACCOUNT = Account(
    score=0.9,
    proposal="single",
    judged=Judged(0.8, calibrated=True, doubts=("look",), doubtful=True),
    box=(1.5, 2, 3, 4),
    window=Window(0, -1, 9, Region(0, 0, 9, 8)),
    downsample=0.1 + 0.2,
)
RECIPE = Recipe(
    slide_id=5,
    slice_id=None,
    first_box=(1, 2, 3, 4),
    clicks=(Click(1.1, 2, PointLabel.BACKGROUND),),
    points=(Click(2.0, 3.0, PointLabel.FOREGROUND),),
    options=OutlineOptions(style="thesis", detail=80),
    account=ACCOUNT,
    location="POLYGON ((0 0, 1 0, 1 1, 0 0))",
)
POINT = PointAnnotation(11, 2.0, 3.0, 61, frozenset({4, 5}), True, "UserAnnotation", "9", None)
PREVIEW = Preview(7, 61, "digest", RECIPE, (POINT,), keep_points=False, model_sha256="0" * 64)
KEY = b"a key of the tests"
AT = 1.8e9
PREVIEWS = Previews(KEY, now=lambda: AT)
TEXT = PREVIEWS.seal(PREVIEW)
ROUTE = "/sam/annotations/7/refine"


def test_a_preview_opens_as_it_was() -> None:
    assert PREVIEWS.open(TEXT) == PREVIEW
    assert Previews(KEY, now=lambda: AT + KEPT_S / 2).open(TEXT) == PREVIEW  # another replica, later


def reason_of(previews: Previews, text: str) -> object:
    with pytest.raises(PreviewUnfit) as caught:
        previews.open(text)
    return caught.value.facts["reason"]


@given(at=st.integers(0, len(TEXT) - 1), by=st.characters())
def test_no_letter_of_it_can_be_changed(at: int, by: str) -> None:
    changed = TEXT[:at] + by + TEXT[at + 1 :]
    try:
        same = base64.b64decode(changed, altchars=b"-_", validate=True) == base64.urlsafe_b64decode(TEXT)
    except ValueError:
        same = False
    if same:  # the last letter of base 64 may carry bits that mean nothing
        assert PREVIEWS.open(changed) == PREVIEW
    else:
        assert reason_of(PREVIEWS, changed) == "unknown"


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nothing_else_opens(text: str) -> None:
    assert reason_of(PREVIEWS, text) == "unknown"


@given(st.integers(0, len(TEXT) - 1))
def test_no_part_of_it_opens(length: int) -> None:
    assert reason_of(PREVIEWS, TEXT[:length]) == "unknown"


def test_another_key_opens_nothing() -> None:
    assert reason_of(Previews(b"another"), TEXT) == "unknown"


def test_what_another_version_has_signed_is_unknown() -> None:
    odd = Previews(b"a key of the tests")
    content = b"no zlib"
    text = base64.urlsafe_b64encode(odd._signature(content) + content).decode()
    assert reason_of(odd, text) == "unknown"


@pytest.mark.parametrize(
    ("later_s", "opens"), [(0, True), (KEPT_S - 1, True), (KEPT_S + 1, False), (-5, True), (-3600, False)]
)
def test_a_preview_grows_old(later_s: float, opens: bool) -> None:
    clock = [time.time()]
    previews = Previews(b"key", lambda: clock[0])
    text = previews.seal(PREVIEW)
    clock[0] += later_s
    if opens:
        assert previews.open(text) == PREVIEW
    else:
        assert reason_of(previews, text) == "too-old"


def settings_with(key: str = "", secret: str = "", private_key: str = "") -> Settings:
    return Settings(
        api=ApiSettings(preview_key=SecretStr(key), shared_secret=SecretStr(secret)),
        platform=PlatformSettings(private_key=SecretStr(private_key)),
    )


def test_the_key_is_the_one_that_is_set_or_made_of_what_replicas_share() -> None:
    assert key_of(settings_with("k" * 20, "s", "p")) == b"k" * 20
    assert key_of(settings_with(secret="s", private_key="p"), b"spare") == b"s\np"
    assert key_of(settings_with(secret="s")) != key_of(settings_with(private_key="s"))
    assert key_of(settings_with(), b"spare") == b"spare"
    first, second = key_of(settings_with()), key_of(settings_with())
    assert first != second
    assert len(first) == 32


def test_a_dry_run_answers_a_preview_and_it_is_written_as_it_was_shown(
    client: TestClient, gateway: FakeGateway
) -> None:
    shown = client.post(ROUTE, json={"dry_run": True, "clicks": [{"x": 500, "y": 400}]}).json()
    assert (shown["changed"], shown["confidence"], shown["calibrated"]) == (False, shown["score"], False)
    assert [each["index"] for each in shown["proposals"]] == [0, 1, 2]
    assert shown["box"] == [420, 320, 580, 480]
    assert gateway.writes == []
    answer = client.post(ROUTE, json={"preview": shown["preview"]})
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["changed"]
    assert result["location"] == shown["location"] == gateway.annotations[7].location
    assert (result["preview"], result["proposals"], result["points_deleted"]) == (None, [], [11])
    again = client.post(ROUTE, json={"preview": shown["preview"]})
    assert (again.status_code, again.json()["reason"]) == (409, "accepted-already")


@pytest.mark.parametrize("beside", [{"dry_run": True}, {"clicks": []}, {"points": "auto"}, {"box": [1, 2, 3, 4]}])
def test_only_keep_points_stands_beside_a_preview(
    client: TestClient, gateway: FakeGateway, beside: dict[str, object]
) -> None:
    shown = client.post(ROUTE, json={"dry_run": True}).json()
    answer = client.post(ROUTE, json={"preview": shown["preview"], **beside})
    assert answer.status_code == 400
    assert "preview" in answer.json()["detail"]
    assert gateway.writes == []
    kept = client.post(ROUTE, json={"preview": shown["preview"], "keep_points": True})
    assert (kept.status_code, kept.json()["points_deleted"]) == (200, [])


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"clicks": [{"x": 5000, "y": 5}]}, 422),
        ({"clicks": [{"x": 1, "y": 2, "label": 3}]}, 400),
        ({"clicks": [{"x": "1", "y": 2}]}, 400),
        ({"clicks": [{"x": 500, "y": 400}] * 201}, 400),
        ({"clicks": [{"x": 500, "y": 400, "z": 1}]}, 400),
        ({"box": [1, 2, 3]}, 400),
        ({"box": [5, 5, 5, 5]}, 422),
        ({"box": [5000, 5000, 6000, 6000]}, 422),
        ({"proposal": 3}, 400),
        ({"proposal": "worst"}, 400),
        ({"detail": 7}, 400),
        ({"detail": 2001}, 400),
        ({"detail": 20.5}, 400),
        ({"outline": "rough"}, 400),
        ({"doubtful": "maybe"}, 400),
        ({"preview": 5}, 400),
        ({"preview": "rubbish"}, 409),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(
    client: TestClient, gateway: FakeGateway, options: dict[str, object], status: int
) -> None:
    answer = client.post(ROUTE, json=options)
    assert answer.status_code == status, answer.text
    assert gateway.writes == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("body", ['{"clicks": [{"x": %s, "y": 2}]}', '{"box": [%s, 0, 5, 5]}'])
def test_no_number_that_is_no_place_comes_in(client: TestClient, gateway: FakeGateway, body: str, number: str) -> None:
    answer = client.post(ROUTE, content=body % number, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert gateway.writes == []


def test_a_preview_is_read_by_a_service_with_other_weights_and_refused(
    settings: Settings, gateway: FakeGateway, client: TestClient
) -> None:
    shown = client.post(ROUTE, json={"dry_run": True}).json()

    class Other(DarkSegmenter):
        @property
        def info(self):  # type: ignore[no-untyped-def]
            return replace(super().info, sha256="f" * 64)

    other = assemble(settings, gateway, DiscReader(), Other())
    with TestClient(other, headers={"X-Refine-Secret": SECRET}) as there:
        answer = there.post(ROUTE, json={"preview": shown["preview"]})
    assert (answer.status_code, answer.json()["reason"]) == (409, "other-model")
    assert gateway.writes == []


def test_a_restart_without_a_shared_key_forgets(gateway: FakeGateway) -> None:
    def restarted() -> TestClient:
        bearer = Settings(api=ApiSettings(bearer=True))
        app = assemble(bearer, gateway, DiscReader(), DarkSegmenter())
        return TestClient(app, headers={"Authorization": "Bearer 61"})

    with restarted() as before, restarted() as after:
        shown = before.post(ROUTE, json={"dry_run": True}).json()
        lost = after.post(ROUTE, json={"preview": shown["preview"]})
        assert (lost.status_code, lost.json()["reason"]) == (409, "unknown")
        stranger = before.post(ROUTE, json={"preview": shown["preview"]}, headers={"Authorization": "Bearer 62"})
        assert (stranger.status_code, stranger.json()["reason"]) == (409, "other-user")
        assert gateway.writes == []
        assert before.post(ROUTE, json={"preview": shown["preview"]}).status_code == 200


def test_a_long_preview_can_be_sent_back() -> None:
    vertices = ", ".join(f"{int.from_bytes(os.urandom(3))}.{at} {at * 7}" for at in range(2000))
    long = replace(PREVIEW, recipe=replace(RECIPE, location=f"POLYGON (({vertices}))"), points=(POINT,) * 1000)
    assert len(PREVIEWS.seal(long)) < ApiSettings().max_body_bytes / 8


def test_the_annotation_that_was_edited_stays(client: TestClient, gateway: FakeGateway) -> None:
    shown = client.post(ROUTE, json={"dry_run": True}).json()
    gateway.annotations[7] = annotation(7, BOX, updated="99")
    answer = client.post(ROUTE, json={"preview": shown["preview"]})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:cytomine-refine:annotation-changed")
    assert gateway.writes == []


def test_previews_of_one_annotation_do_not_wait_for_each_other(settings: Settings, gateway: FakeGateway) -> None:
    both_look = threading.Barrier(2, timeout=30)

    class Meeting(DarkSegmenter):
        """Goes on only when two requests are at the decoder at a time."""

        def decode(self, embedding, prompts):  # type: ignore[no-untyped-def]
            both_look.wait()
            return super().decode(embedding, prompts)

    app = assemble(settings, gateway, DiscReader(), Meeting())
    with TestClient(app, headers={"X-Refine-Secret": SECRET}) as client, ThreadPoolExecutor(2) as pool:
        bodies = [{"dry_run": True, "clicks": [{"x": x, "y": 400}]} for x in (490, 510)]
        answers = list(pool.map(lambda body: client.post(ROUTE, json=body), bodies))
    assert [answer.status_code for answer in answers] == [200, 200]


DOUBTFUL = "/sam/annotations/8/refine"
"""Of a shape far larger than the object in it."""


@pytest.fixture
def vague(gateway: FakeGateway) -> FakeGateway:
    gateway.annotations[8] = annotation(8, "POLYGON ((10 10, 990 10, 990 790, 10 790, 10 10))")
    return gateway


def test_doubt_writes_as_ever_where_nobody_says_otherwise(client: TestClient, vague: FakeGateway) -> None:
    result = client.post(DOUBTFUL, json={"points": "ignore"}).json()
    assert (result["doubtful"], result["changed"], result["preview"]) == (True, True, None)
    assert result["doubts"]


def test_doubt_may_show_a_preview_in_place_of_writing(client: TestClient, vague: FakeGateway) -> None:
    shown = client.post(DOUBTFUL, json={"points": "ignore", "doubtful": "preview"}).json()
    assert (shown["doubtful"], shown["changed"], len(shown["proposals"])) == (True, False, 3)
    assert shown["message"] == "This outline is doubtful; nothing was written."
    assert vague.writes == []
    assert client.post(DOUBTFUL, json={"preview": shown["preview"]}).json()["changed"]
    assert vague.annotations[8].location == shown["location"]


def test_doubt_may_refuse(client: TestClient, vague: FakeGateway) -> None:
    answer = client.post(DOUBTFUL, json={"points": "ignore", "doubtful": "refuse"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:cytomine-refine:doubtful"
    assert problem["doubts"]
    assert 0 <= problem["confidence"] <= 1
    assert vague.writes == []
    shown = client.post(DOUBTFUL, json={"points": "ignore", "doubtful": "refuse", "dry_run": True})
    assert (shown.status_code, shown.json()["doubtful"]) == (200, True)


@pytest.mark.parametrize("mode", ["preview", "refuse"])
@pytest.mark.parametrize("path", [ROUTE, "/sam/autonomous_prediction?annotation_id=7"])
def test_what_is_not_doubtful_is_written_whatever_doubt_would_do(
    client: TestClient, gateway: FakeGateway, mode: str, path: str
) -> None:
    body = {"json": {"doubtful": mode}} if path == ROUTE else {}
    result = client.post(path, **body).json()
    assert (result["doubtful"], result["changed"]) == (False, True)


@pytest.mark.parametrize("path", [DOUBTFUL, "/sam/autonomous_prediction?annotation_id=8&points=ignore"])
def test_the_operator_says_what_doubt_does(vague: FakeGateway, path: str) -> None:
    settings = Settings.model_validate({"api": {"shared_secret": SECRET}, "refine": {"doubtful": "preview"}})
    app = assemble(settings, vague, DiscReader(), DarkSegmenter())
    with TestClient(app, headers={"X-Refine-Secret": SECRET}) as client:
        body = {"json": {"points": "ignore"}} if path == DOUBTFUL else {}
        assert client.post(path, **body).json()["preview"]
        assert vague.writes == []
        if path == DOUBTFUL:
            assert client.post(path, json={"points": "ignore", "doubtful": "write"}).json()["changed"]


def test_what_the_operator_wants_noted_is_noted(gateway: FakeGateway, tmp_path: Path) -> None:
    refine = {"provenance": True, "journal": tmp_path / "journal.jsonl"}
    settings = Settings.model_validate({"api": {"shared_secret": SECRET}, "refine": refine})
    app = assemble(settings, gateway, DiscReader(), DarkSegmenter())
    with TestClient(app, headers={"X-Refine-Secret": SECRET}) as client:
        result = client.post(ROUTE, json={"keep_points": True}).json()
    assert (result["provenance"], result["commands"]) == ("noted", [88, 99])
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 1


def test_points_alone_are_enough_for_a_prediction(client: TestClient, vague: FakeGateway) -> None:
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [500, 400]}}
    body = {"image_id": 5, "points": [point], "size": 100}
    answer = client.post("/sam/prediction", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["properties"]["box"] is None
    for wrong in ({"image_id": 5, "points": [point]}, {"image_id": 5, "size": 100}):
        assert client.post("/sam/prediction", json=wrong).status_code == 400
