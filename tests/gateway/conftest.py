from collections.abc import Iterator

import pytest

from app.gateway.core import CoreGateway
from app.gateway.http import CoreHttp
from app.gateway.pims import PimsPixels
from app.settings import PlatformSettings
from tests.fakes.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer().serving() as server:
        yield server


@pytest.fixture
def platform(server: ScriptedServer) -> PlatformSettings:
    return PlatformSettings.model_validate(
        {"host": server.url, "public_key": "pub", "private_key": "priv", "read_timeout_s": 2, "connect_timeout_s": 1}
    )


@pytest.fixture
def gateway(platform: PlatformSettings) -> Iterator[CoreGateway]:
    http = CoreHttp(platform)
    yield CoreGateway(http)
    http.close()


@pytest.fixture
def pixels(platform: PlatformSettings) -> Iterator[PimsPixels]:
    pixels = PimsPixels(platform, max_bytes=100_000)
    yield pixels
    pixels.close()
