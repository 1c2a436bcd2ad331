from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import (
    pull,
)
from tests.fakes.checkpoint_server import CheckpointServer
from tests.segmenter.pulling import BODY, OTHER_BODY, PATH, closed_port, entry_at, leave_part, names

pytestmark = pytest.mark.usefixtures("no_proxy_from_outside")


def test_a_file_of_the_right_size_but_other_bytes_is_removed(server: CheckpointServer, tmp_path: Path) -> None:
    server.body = OTHER_BODY
    with pytest.raises(WeightsCorrupt, match="sha256") as caught:
        pull(entry_at(server.url), tmp_path)
    assert caught.value.facts["sha256"] == hashlib.sha256(OTHER_BODY).hexdigest()
    assert names(tmp_path) == set()


def test_a_file_of_another_announced_size_is_not_even_begun(server: CheckpointServer, tmp_path: Path) -> None:
    server.body = BODY + b"more"
    with pytest.raises(WeightsCorrupt, match=r"1,500,004 bytes, thesis has 1,500,000"):
        pull(entry_at(server.url), tmp_path)
    assert (tmp_path / "thesis.pt.part").stat().st_size == 0


def test_a_file_that_goes_on_past_its_size_is_cut_and_removed(server: CheckpointServer, tmp_path: Path) -> None:
    server.body, server.announces_length = BODY + b"more", False
    with pytest.raises(WeightsCorrupt, match="more than the 1,500,000 bytes"):
        pull(entry_at(server.url), tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("page", [b"<html>Please log in</html>", BODY], ids=["short", "of the right size"])
def test_a_web_page_costs_nothing_of_the_part(server: CheckpointServer, tmp_path: Path, page: bytes) -> None:
    part = leave_part(server, tmp_path)
    with (
        CheckpointServer(page, content_type="text/html; charset=utf-8", etag='"portal"') as portal,
        pytest.raises(WeightsUnavailable, match="web page"),
    ):
        pull(entry_at(portal.url), tmp_path)
    assert part.stat().st_size == 600_000
    pull(entry_at(server.url), tmp_path)
    assert server.sent_bytes == len(BODY) - 600_000


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "does not exist"),
        (410, "does not exist"),
        (401, "was refused"),
        (403, "was refused"),
        (429, "try again later"),
        (500, "try again later"),
        (503, "try again later"),
        (204, "unexpected answer"),
    ],
)
def test_a_status_is_put_into_words_and_costs_nothing_of_the_part(
    server: CheckpointServer, tmp_path: Path, status: int, words: str
) -> None:
    part = leave_part(server, tmp_path)
    server.status = status
    with pytest.raises(WeightsUnavailable, match=rf"{words} \({status}\)") as caught:
        pull(entry_at(server.url), tmp_path)
    assert "\n" not in caught.value.detail
    assert caught.value.facts["status"] == status
    assert part.stat().st_size == 600_000


def test_offline_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"Cannot reach 127\.0\.0\.1 .*REFINE_WEIGHTS__MIRROR") as caught:
        pull(entry_at(f"http://127.0.0.1:{closed_port()}"), tmp_path)
    assert "\n" not in caught.value.detail
    assert not (tmp_path / "thesis.pt").exists()


def test_a_host_that_falls_silent_is_left_and_the_part_kept(server: CheckpointServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    server.stall_after = 0
    with pytest.raises(WeightsUnavailable, match=r"timed out.* at 0\.6 MB of 1\.5 MB"):
        pull(entry_at(server.url), tmp_path, timeout_s=0.3)
    assert (tmp_path / "thesis.pt.part").stat().st_size == 600_000


def test_a_circle_of_redirects_is_left(tmp_path: Path) -> None:
    with (
        CheckpointServer(BODY, redirects={PATH: PATH}) as server,
        pytest.raises(WeightsUnavailable, match="redirects"),
    ):
        pull(entry_at(server.url), tmp_path)


def test_a_full_disk_is_foreseen(server: CheckpointServer, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"free; .* are needed"):
        pull(entry_at(server.url, size_bytes=2**60), tmp_path)
    assert server.asked == []


def test_a_disk_that_fills_up_on_the_way_keeps_the_part(server: CheckpointServer, tmp_path: Path) -> None:
    entry = entry_at(server.url)
    script = f"""
import resource
from pathlib import Path
from app.errors import WeightsUnavailable
from app.segmenter.weights import WeightsEntry, pull
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    pull({entry!r}, Path({str(tmp_path)!r}))
except WeightsUnavailable as error:
    print(error.detail)
"""
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert os.strerror(errno.EFBIG) in child.stdout
    assert names(tmp_path) == {"thesis.pt.part", "thesis.pt.part.version"}
    assert (tmp_path / "thesis.pt.part").stat().st_size == 500_000
    assert pull(entry, tmp_path).read_bytes() == BODY
    assert server.asked[1].headers["Range"] == "bytes=500000-"


def test_a_folder_that_is_a_file_is_said(server: CheckpointServer, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("not a folder")
    with pytest.raises(WeightsUnavailable, match="Cannot write"):
        pull(entry_at(server.url), tmp_path / "weights")


def test_a_mirror_takes_the_place_of_scheme_and_host(server: CheckpointServer, tmp_path: Path) -> None:
    pull(entry_at("https://models.invalid"), tmp_path, mirror=server.url + "/hub/")
    assert [asked.target for asked in server.asked] == ["/hub" + PATH]


@pytest.mark.parametrize("mirror", ["mirror.local", "ftp://mirror.local", "http://", "http://[::1", "file:///srv"])
def test_a_mirror_that_is_no_url_is_refused(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(InvalidSettings, match="mirror"):
        pull(entry_at("https://models.invalid"), tmp_path, mirror=mirror)


def test_a_mirrors_password_is_used_but_never_shown(server: CheckpointServer, tmp_path: Path) -> None:
    server.status = 404
    mirror = server.url.replace("http://", "http://reader:hunter2@")
    with pytest.raises(WeightsUnavailable) as caught:
        pull(entry_at("https://models.invalid"), tmp_path, mirror=mirror)
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    assert "hunter2" not in f"{caught.value.detail} {caught.value.facts}"


def test_a_proxy_is_used(server: CheckpointServer, tmp_path: Path) -> None:
    pull(entry_at("http://models.invalid"), tmp_path, proxy=server.url)
    assert [asked.target for asked in server.asked] == ["http://models.invalid" + PATH]


def test_the_proxy_of_the_environment_is_used(
    server: CheckpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    pull(entry_at("http://models.invalid"), tmp_path)
    assert [asked.target for asked in server.asked] == ["http://models.invalid" + PATH]


def test_hosts_that_the_environment_exempts_are_reached_directly(
    server: CheckpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pull(entry_at(server.url), tmp_path)
    assert [asked.target for asked in server.asked] == [PATH]


def test_a_proxy_that_refuses_is_said(server: CheckpointServer, tmp_path: Path) -> None:
    server.status = 407
    with pytest.raises(WeightsUnavailable, match="407"):
        pull(entry_at("http://models.invalid"), tmp_path, proxy=server.url)


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1", "socks5://127.0.0.1:1080", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(InvalidSettings, match="proxy"):
        pull(entry_at("http://models.invalid"), tmp_path, proxy=proxy)
