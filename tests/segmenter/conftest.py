from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.checkpoint_server import CheckpointServer
from tests.segmenter.pulling import BODY


@pytest.fixture
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server(no_proxy_from_outside: None) -> Iterator[CheckpointServer]:
    with CheckpointServer(BODY) as server:
        yield server
