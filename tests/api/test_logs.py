"""What the service's own log looks like on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.api.logs import log_to_stderr
from tests.fakes.rooms import DarkSegmenter, FakeGateway, annotation


@pytest.fixture
def ours() -> Iterator[logging.Logger]:
    ours = logging.getLogger("app")
    before = (ours.handlers[:], ours.level, ours.propagate)
    yield ours
    ours.handlers[:], ours.level, ours.propagate = before


def test_a_line_carries_the_id_of_its_request(
    client: TestClient, ours: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr("info")
    client.post("/sam/annotations/7/refine", headers={"X-Request-Id": "my-request"})
    (line,) = capsys.readouterr().err.splitlines()
    assert " INFO app.api.routes.refine [my-request] Annotation 7 refined for " in line


def test_a_refusal_at_the_door_carries_it_too(
    client: TestClient, ours: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr("info")
    client.post("/sam/prediction", headers={"X-Request-Id": "other", "X-Refine-Secret": "wrong"})
    assert "[other] NotAuthenticated" in capsys.readouterr().err


def test_what_somebody_sent_cannot_steer_a_terminal_or_end_a_line(
    client: TestClient, gateway: FakeGateway, ours: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr("info")
    gateway.annotations[7] = annotation(7, "POINT (1 1)\x1b[2J\r\nINFO all is well\x9b\u2028")
    client.post("/sam/annotations/7/refine")
    ours.warning("quoted: %s", "\x1b[31mred\n\x07")
    said = capsys.readouterr().err
    assert not set(said) & set("\x1b\x07\x9b\r\u2028")
    assert "\\x1b[31mred\\n\\x07" in said
    assert not any(line.startswith("INFO") for line in said.splitlines())


def test_a_traceback_keeps_its_lines(
    client: TestClient, segmenter: DarkSegmenter, ours: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr("info")
    segmenter.error = RuntimeError("odd \x1b[0m")  # type: ignore[assignment]
    client.post("/sam/annotations/7/refine")
    said = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in said
    assert "RuntimeError: odd \\x1b[0m" in said
