import json

import pytest

from app.errors import (
    PlatformForbidden,
    PlatformTimeout,
    PlatformUnauthorized,
    PlatformUnavailable,
    ServiceError,
    SlideNotReadable,
)
from app.gateway.pims import PimsPixels
from app.geometry.windows import Region
from app.settings import PlatformSettings
from app.usecases.ports import Plane, Slide
from tests.fakes.scripted_server import Answer, ScriptedServer

SLIDE = Slide(5, 1000, 800, "upload-1/a b&c.svs")
URL = "/ims/image/upload-1/a%20b%26c.svs/window"
REGION = Region(10, 20, 300, 200)


def test_a_window_is_asked_for_as_pims_wants_it(pixels: PimsPixels, server: ScriptedServer) -> None:
    server.answers[URL] = Answer(body=b"pixels", kind="image/png")
    assert pixels.region(SLIDE, Plane(), REGION, 256) == b"pixels"
    (call,) = server.calls
    assert call.method == "POST"
    assert call.headers["accept"] == "image/png"
    assert json.loads(call.body) == {
        "region": {"left": 10, "top": 20, "width": 300, "height": 200},
        "z_slices": 0, "timepoints": 0, "length": 256,
        "min_intensities": "AUTO_IMAGE", "max_intensities": "AUTO_IMAGE",
    }  # fmt: skip


def test_planes_and_deep_slides_are_asked_for_differently(pixels: PimsPixels, server: ScriptedServer) -> None:
    server.answers["/ims/image/a/window"] = Answer(body=b"pixels", kind="image/jpeg")
    pixels.region(Slide(5, 10, 10, "a", bits_per_sample=16), Plane(2, 3, 4), REGION, 256)
    (call,) = server.calls
    assert call.headers["accept"] == "image/jpeg"
    body = json.loads(call.body)
    assert (body["channels"], body["z_slices"], body["timepoints"]) == (2, 3, 4)
    assert (body["min_intensities"], body["max_intensities"]) == ("AUTO_IMAGE", "AUTO_IMAGE")  # else nearly black


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(400, {"title": "out of bounds"}), PlatformUnavailable, "400"),
        (Answer(401, b""), PlatformUnauthorized, "accept"),
        (Answer(403, b""), PlatformForbidden, "refused"),
        (Answer(404, {"title": "Filepath not found"}), PlatformUnavailable, "no file"),
        (Answer(406, {}), PlatformUnavailable, "406"),
        (Answer(500, b"Internal Server Error", "text/plain"), PlatformUnavailable, "500"),
        (Answer(302, b"", headers={"Location": "/"}), PlatformUnavailable, "302"),
        (Answer(200, b"<html></html>"), PlatformUnavailable, "text/html"),
        (Answer(200, b"", "image/png"), PlatformUnavailable, "image/png"),
        (Answer(200, b"x" * 200_000, "image/png"), PlatformUnavailable, "more than"),
        (Answer(200, b"x", "image/png", cut=10), PlatformUnavailable, "RemoteProtocolError"),
        (Answer(drop=True), PlatformUnavailable, "could not send"),
        (Answer(200, b"x", "image/png", wait_s=30), PlatformTimeout, "in time"),
    ],
)
def test_each_failure_keeps_its_meaning(
    pixels: PimsPixels, server: ScriptedServer, answer: Answer, error: type[ServiceError], words: str
) -> None:
    server.answers[URL] = answer
    with pytest.raises(ServiceError) as caught:
        pixels.region(SLIDE, Plane(), REGION, 256)
    assert type(caught.value) is error
    assert words in caught.value.detail


def test_a_pims_that_is_not_there_is_unavailable() -> None:
    pixels = PimsPixels(PlatformSettings.model_validate({"host": "http://127.0.0.1:9"}), 1000)
    with pytest.raises(PlatformUnavailable, match="ConnectError"):
        pixels.region(SLIDE, Plane(), REGION, 256)
    pixels.close()


@pytest.mark.parametrize(
    "path", ["http://elsewhere.example/a", "//elsewhere.example/a", "a?x=1#y", "a%2F..%2Fb", "@h/a"]
)
def test_whatever_the_path_pims_is_asked_below_its_images(
    pixels: PimsPixels, server: ScriptedServer, path: str
) -> None:
    with pytest.raises(PlatformUnavailable):
        pixels.region(Slide(5, 1000, 800, path), Plane(), REGION, 256)
    (call,) = server.calls
    assert call.path.startswith("/ims/image/")
    assert call.path.endswith("/window")
    assert "?" not in call.path


def test_paths_that_lead_elsewhere_are_not_followed(pixels: PimsPixels, server: ScriptedServer) -> None:
    for path in ("../import", "a/../../info", ".."):
        with pytest.raises(SlideNotReadable):
            pixels.region(Slide(5, 1000, 800, path), Plane(), REGION, 256)
    assert server.calls == []
