from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import WeightsCorrupt
from app.segmenter.weights import (
    pull,
)
from tests.fakes.checkpoint_server import CheckpointServer
from tests.segmenter.pulling import BODY, OTHER_BODY, PATH, closed_port, entry_at, leave_part, names

pytestmark = pytest.mark.usefixtures("no_proxy_from_outside")


def test_pull_gives_the_file_and_leaves_nothing_else(server: CheckpointServer, tmp_path: Path) -> None:
    path = pull(entry_at(server.url), tmp_path / "deep" / "weights")
    assert path == tmp_path / "deep" / "weights" / "thesis.pt"
    assert path.read_bytes() == BODY
    assert names(path.parent) == {"thesis.pt"}


def test_progress_rises_from_nothing_to_all(server: CheckpointServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pull(entry_at(server.url), tmp_path, progress=lambda done, total: seen.append((done, total)))
    done = [pair[0] for pair in seen]
    assert done == sorted(done)
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert len(seen) > 3


def test_a_file_that_is_there_is_not_fetched_again(server: CheckpointServer, tmp_path: Path) -> None:
    entry = entry_at(server.url)
    pull(entry, tmp_path)
    pull(entry, tmp_path)
    assert len(server.asked) == 1


def test_a_file_that_is_there_but_wrong_is_replaced(server: CheckpointServer, tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(OTHER_BODY)
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY


def test_redirects_are_followed_and_the_range_goes_with_them(server: CheckpointServer, tmp_path: Path) -> None:
    with CheckpointServer(BODY, redirects={PATH: server.url + "/cdn/blob?signature=1"}) as hub:
        server.drop_after = [600_000]
        path = pull(entry_at(hub.url), tmp_path)
    assert path.read_bytes() == BODY
    assert [asked.target for asked in server.asked] == ["/cdn/blob?signature=1"] * 2
    assert server.asked[1].headers["Range"] == "bytes=600000-"


def test_a_later_pull_continues_where_the_first_stopped(server: CheckpointServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    path = pull(entry_at(server.url), tmp_path)
    assert path.read_bytes() == BODY
    (asked,) = server.asked
    assert asked.headers["Range"] == "bytes=600000-"
    assert asked.headers["If-Range"] == '"v1"'
    assert asked.sent_bytes == len(BODY) - 600_000
    assert names(tmp_path) == {"thesis.pt"}


def test_a_connection_that_breaks_again_and_again_is_taken_up_while_it_brings_bytes(
    server: CheckpointServer, tmp_path: Path
) -> None:
    server.drop_after = [400_000, 400_000, 400_000]
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert len(server.asked) == 4
    assert server.sent_bytes == len(BODY)


def test_an_answer_without_length_that_ends_early_is_continued(server: CheckpointServer, tmp_path: Path) -> None:
    server.announces_length = False
    server.drop_after = [400_000]
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert server.sent_bytes == len(BODY)


def test_without_an_etag_the_date_ties_the_pieces(server: CheckpointServer, tmp_path: Path) -> None:
    server.etag, server.last_modified = None, "Sun, 29 Sep 2024 10:00:00 GMT"
    server.drop_after = [400_000]
    pull(entry_at(server.url), tmp_path)
    assert server.asked[1].headers["If-Range"] == server.last_modified
    assert server.sent_bytes == len(BODY)


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_a_version_that_cannot_be_told_is_not_continued(
    server: CheckpointServer, tmp_path: Path, etag: str | None
) -> None:
    server.etag = etag
    server.drop_after = [400_000]
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert "Range" not in server.asked[1].headers


def test_a_source_that_ignores_ranges_begins_again(server: CheckpointServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    server.honours_range = False
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert [asked.sent_bytes for asked in server.asked] == [len(BODY)]


def test_a_part_of_an_older_version_is_not_continued(server: CheckpointServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    server.body, server.etag = OTHER_BODY, '"v2"'
    assert pull(entry_at(server.url, OTHER_BODY), tmp_path).read_bytes() == OTHER_BODY
    assert [asked.sent_bytes for asked in server.asked] == [len(OTHER_BODY)]


def test_a_source_that_ignores_if_range_is_found_out_by_its_etag(server: CheckpointServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    server.body, server.etag, server.honours_if_range = OTHER_BODY, '"v2"', False
    assert pull(entry_at(server.url, OTHER_BODY), tmp_path).read_bytes() == OTHER_BODY
    assert "Range" in server.asked[0].headers
    assert "Range" not in server.asked[1].headers


@pytest.mark.parametrize("fault", ["shifted", "refused"])
def test_a_range_that_does_not_fit_begins_again(server: CheckpointServer, tmp_path: Path, fault: str) -> None:
    leave_part(server, tmp_path)
    server.range_shift = 7 if fault == "shifted" else 0
    server.refuses_range = fault == "refused"
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert len(server.asked) == 2


def test_a_part_that_is_whole_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "thesis.pt.part").write_bytes(BODY)
    (tmp_path / "thesis.pt.part.version").write_text('"v1"')
    entry = entry_at(f"http://127.0.0.1:{closed_port()}")
    assert pull(entry, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("left", [b"", BODY + b"x"], ids=["empty", "too long"])
@pytest.mark.parametrize("version", ["", '"v1"'], ids=["no version", "version"])
def test_a_part_of_no_use_begins_again(server: CheckpointServer, tmp_path: Path, left: bytes, version: str) -> None:
    (tmp_path / "thesis.pt.part").write_bytes(left)
    (tmp_path / "thesis.pt.part.version").write_text(version)
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY
    assert "Range" not in server.asked[0].headers


def test_a_part_that_was_spoilt_meanwhile_is_found_out(server: CheckpointServer, tmp_path: Path) -> None:
    part = leave_part(server, tmp_path)
    with part.open("r+b") as file:
        file.write(b"\0" * 4096)
    with pytest.raises(WeightsCorrupt, match="removed"):
        pull(entry_at(server.url), tmp_path)
    assert names(tmp_path) == set()
    assert pull(entry_at(server.url), tmp_path).read_bytes() == BODY


class Messages(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_two_pulls_at_once_fetch_once(server: CheckpointServer, tmp_path: Path) -> None:
    server.stall_after = 600_000
    entry = entry_at(server.url)
    log = Messages()
    logging.getLogger("app.segmenter.weights.part").addHandler(log)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pull, entry, tmp_path)
        assert server.stalled.wait(10)
        second = pool.submit(pull, entry, tmp_path)
        while not log.messages:
            time.sleep(0.01)
            assert not second.done()
        assert not (tmp_path / "thesis.pt").exists()
        assert (tmp_path / "thesis.pt.part").exists()
        server.go_on.set()
        assert first.result(10) == second.result(10)
    logging.getLogger("app.segmenter.weights.part").removeHandler(log)
    assert "waiting for it" in log.messages[0]
    assert (tmp_path / "thesis.pt").read_bytes() == BODY
    assert len(server.asked) == 1
