"""What the ways to Core and to PIMS have in common, tried with a server that misbehaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import PlatformTimeout, PlatformUnavailable
from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.geometry.windows import Region
from app.settings import PlatformSettings
from app.usecases.ports import BearerToken, Plane, Slide
from tests.fakes.scripted_server import Answer, ScriptedServer

CORE, PIMS = "/api/user/current.json", "/ims/image/a/window"


def ask_core(settings: PlatformSettings, token: str = "any") -> object:
    http = CoreHttp(settings)
    try:
        return CoreGateway(http).identify(BearerToken(token))
    finally:
        http.close()


def ask_pims(settings: PlatformSettings) -> object:
    pixels = PimsPixels(settings, settings.max_answer_bytes)
    try:
        return pixels.region(Slide(5, 10, 10, "a"), Plane(), Region(0, 0, 4, 4), 4)
    finally:
        pixels.close()


both = pytest.mark.parametrize(("path", "ask"), [(CORE, ask_core), (PIMS, ask_pims)])


@both
def test_an_answer_that_drips_is_given_up(
    platform: PlatformSettings, server: ScriptedServer, path: str, ask: Callable[[PlatformSettings], object]
) -> None:
    """Each byte comes in time; all of them would take minutes."""
    server.answers[path] = Answer(body=b"x" * 100_000, kind="image/png", drip_s=0.01)
    with pytest.raises(PlatformTimeout, match="did not finish its answer"):
        ask(platform.model_copy(update={"answer_timeout_s": 0.5, "read_timeout_s": 20.0}))


@both
def test_an_answer_that_is_too_long_is_given_up(
    platform: PlatformSettings, server: ScriptedServer, path: str, ask: Callable[[PlatformSettings], object]
) -> None:
    server.answers[path] = Answer(body=b" " * 10_000_000, kind="application/json")
    with pytest.raises(PlatformUnavailable, match="more than 65536 bytes"):
        ask(platform.model_copy(update={"max_answer_bytes": 2**16}))


def test_a_cookie_of_core_reaches_nobody_else(platform: PlatformSettings, server: ScriptedServer) -> None:
    server.answers[CORE] = Answer(body={"id": 61}, headers={"Set-Cookie": "SESSION=alice; Path=/"})
    http = CoreHttp(platform)
    for token in ("alice", "bob"):
        CoreGateway(http).identify(BearerToken(token))
    http.close()
    hers, his = server.calls
    assert (hers.headers["authorization"], his.headers["authorization"]) == ("Bearer alice", "Bearer bob")
    assert "cookie" not in his.headers


def test_a_cookie_of_pims_is_not_kept(platform: PlatformSettings, server: ScriptedServer) -> None:
    server.answers[PIMS] = Answer(body=b"pixels", kind="image/png", headers={"Set-Cookie": "SESSION=alice; Path=/"})
    pixels = PimsPixels(platform, 1000)
    for _ in range(2):
        pixels.region(Slide(5, 10, 10, "a"), Plane(), Region(0, 0, 4, 4), 4)
    pixels.close()
    assert ["cookie" in call.headers for call in server.calls] == [False, False]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"id": ' + b"9" * 10_000 + b"}",
        b'{"id": 1e999}',
        b'{"id": [1]}',
        b"\xff\xfe\x00",
        b'{"id": NaN}',
        b"null",
        b"",
    ],
)
def test_odd_json_of_core_is_no_answer(platform: PlatformSettings, server: ScriptedServer, body: bytes) -> None:
    server.answers[CORE] = Answer(body=body, kind="application/json")
    with pytest.raises(PlatformUnavailable):
        ask_core(platform)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("text/plain;charset=ISO-8859-1", b"\xb2"), ("application/json", b"\xc2\xb2"), ("a/b;charset=nonsense", b"x")],
)
def test_the_label_of_an_answer_says_how_to_read_it(
    platform: PlatformSettings, server: ScriptedServer, kind: str, name: bytes
) -> None:
    server.answers["/api/x.json"] = Answer(body=b'{"unit": "px' + name + b'"}', kind=kind)
    http = CoreHttp(platform)
    assert http.get("x.json")["unit"] in ("px²", "pxx")
    http.close()
