"""What the tests of pulling share: a small file in the place of a large one, and a server that gives it."""

from __future__ import annotations

import hashlib
import random
import socket
from pathlib import Path

import pytest

from app.errors import WeightsUnavailable
from app.segmenter.weights import WeightsEntry, pull
from tests.fakes.checkpoint_server import CheckpointServer

BODY = random.Random(1).randbytes(1_500_000)
OTHER_BODY = random.Random(2).randbytes(1_500_000)
PATH = "/models/weights.pt"


def entry_at(base_url: str, body: bytes = BODY, *, size_bytes: int | None = None) -> WeightsEntry:
    return WeightsEntry(
        name="thesis",
        about="a small file in the place of a large one",
        url=base_url + PATH,
        size_bytes=len(body) if size_bytes is None else size_bytes,
        sha256=hashlib.sha256(body).hexdigest(),
        config="sam2.1_hiera_b+",
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def leave_part(server: CheckpointServer, folder: Path, size_bytes: int = 600_000) -> Path:
    """Let a first pull fail on the way, as a broken network does, and forget what was asked."""
    server.drop_after = [size_bytes, 0]
    with pytest.raises(WeightsUnavailable, match="broke"):
        pull(entry_at(server.url, server.body), folder)
    server.asked.clear()
    part = folder / "thesis.pt.part"
    assert part.stat().st_size == size_bytes
    return part


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])
