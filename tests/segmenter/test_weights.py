from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import (
    REGISTRY,
    WeightsEntry,
    check_file,
    choose,
    file_sha256,
    find_digest,
    find_name,
    pull,
    verify,
)
from app.settings import SegmenterSettings, Settings, WeightsSettings
from tests.fakes.checkpoint_server import CheckpointServer

BODY = random.Random(1).randbytes(1_500_000)
OTHER_BODY = random.Random(2).randbytes(1_500_000)
PATH = "/models/weights.pt"


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[CheckpointServer]:
    with CheckpointServer(BODY) as server:
        yield server


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


# --- the way it should go


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


# --- continuing


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


# --- wrong files


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


# --- refusals


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "does not exist"),
        (410, "does not exist"),
        (401, "is not given to us"),
        (403, "is not given to us"),
        (429, "try again later"),
        (500, "try again later"),
        (503, "try again later"),
        (204, "unknown way"),
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


# --- mirrors and proxies


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


# --- two at once


def test_two_pulls_at_once_fetch_once(
    server: CheckpointServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.stall_after = 600_000
    entry = entry_at(server.url)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(pull, entry, tmp_path)
        assert server.stalled.wait(10)
        second = pool.submit(pull, entry, tmp_path)
        while "waiting for it" not in caplog.text:
            time.sleep(0.01)
            assert not second.done()
        assert not (tmp_path / "thesis.pt").exists()
        assert (tmp_path / "thesis.pt.part").exists()
        server.go_on.set()
        assert first.result(10) == second.result(10)
    assert (tmp_path / "thesis.pt").read_bytes() == BODY
    assert len(server.asked) == 1


# --- checking


def test_check_file_gives_the_digest_of_a_right_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(BODY)
    assert check_file(path, entry_at("http://x")) == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("content", "words"), [(BODY[:-1], "has 1,499,999 bytes"), (b"", "has 0 bytes"), (OTHER_BODY, "has sha256")]
)
def test_check_file_refuses_what_is_truncated_or_other(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=words):
        check_file(path, entry_at("http://x"))


@pytest.mark.parametrize("look", [file_sha256, lambda path: check_file(path, entry_at("http://x"))])
def test_a_missing_file_is_unavailable(tmp_path: Path, look: object) -> None:
    assert callable(look)
    with pytest.raises(WeightsUnavailable, match="No such file"):
        look(tmp_path / "missing.pt")


def test_verify_of_a_file_without_a_known_config_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(BODY)
    found = verify(path)
    assert (found.name, found.config) == (None, None)
    assert (found.size_bytes, found.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())


def test_verify_with_a_config_loads_strictly(tmp_path: Path) -> None:
    import torch

    from app.segmenter.checkpoint import build_model

    state = build_model("embedded").state_dict()
    torch.save({"model": state}, tmp_path / "good.pt")
    assert verify(tmp_path / "good.pt", config="embedded").config == "embedded"

    state.pop(next(iter(state)))
    torch.save({"model": state}, tmp_path / "bad.pt")
    with pytest.raises(WeightsCorrupt, match="missing"):
        verify(tmp_path / "bad.pt", config="embedded")


def test_verify_with_an_entry_refuses_before_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(OTHER_BODY)
    with pytest.raises(WeightsCorrupt, match="has sha256"):
        verify(path, entry=entry_at("http://x"))


# --- choosing


def settings_with(
    folder: Path, *, checkpoint: Path | None = None, sha256: str | None = None, config: str = "some.yaml"
) -> Settings:
    return Settings(
        segmenter=SegmenterSettings(checkpoint=checkpoint, sha256=sha256, config=config),
        weights=WeightsSettings(folder=folder),
    )


def test_without_anything_the_embedded_model_runs_and_says_so(tmp_path: Path) -> None:
    chosen = choose(settings_with(tmp_path / "no such folder"))
    assert (chosen.origin, chosen.name, chosen.config) == ("embedded", "embedded", "embedded")
    assert chosen.sha256 == file_sha256(chosen.path)
    assert "EMBEDDED DEMO MODEL, not for annotation" in chosen.description


def test_pulled_weights_come_before_the_embedded_model_in_the_order_of_the_registry(tmp_path: Path) -> None:
    def named(name: str, body: bytes) -> WeightsEntry:
        return WeightsEntry(name, "", "http://x", len(body), hashlib.sha256(body).hexdigest(), f"{name}.yaml")

    registry = (named("first", BODY), named("second", OTHER_BODY))
    (tmp_path / "second.pt").write_bytes(OTHER_BODY)
    (tmp_path / "first.pt.part").write_bytes(BODY)
    chosen = choose(settings_with(tmp_path), registry)
    assert (chosen.name, chosen.origin, chosen.config) == ("second", "pulled", "second.yaml")

    (tmp_path / "first.pt").write_bytes(BODY)
    chosen = choose(settings_with(tmp_path), registry)
    assert (chosen.name, chosen.sha256) == ("first", hashlib.sha256(BODY).hexdigest())
    assert str(tmp_path / "first.pt") in chosen.description


def test_the_configured_checkpoint_comes_first(tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(BODY)
    mine = tmp_path / "mine.pt"
    mine.write_bytes(OTHER_BODY)
    chosen = choose(settings_with(tmp_path, checkpoint=mine), [entry_at("http://x")])
    assert (chosen.name, chosen.path, chosen.config, chosen.origin) == ("mine", mine, "some.yaml", "configured")


def test_a_pulled_file_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(BODY[:-1])
    with pytest.raises(WeightsCorrupt, match="weights pull thesis"):
        choose(settings_with(tmp_path), [entry_at("http://x")])


def test_a_configured_checkpoint_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="No such file"):
        choose(settings_with(tmp_path, checkpoint=tmp_path / "missing.pt"))


@pytest.mark.parametrize("configured", [True, False])
def test_a_digest_in_the_settings_holds_whatever_is_chosen(tmp_path: Path, configured: bool) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(BODY)
    checkpoint = mine if configured else None
    with pytest.raises(WeightsCorrupt, match="REFINE_SEGMENTER__SHA256"):
        choose(settings_with(tmp_path, checkpoint=checkpoint, sha256="0" * 64))
    right = choose(settings_with(tmp_path, checkpoint=checkpoint)).sha256
    assert choose(settings_with(tmp_path, checkpoint=checkpoint, sha256=right)).sha256 == right


# --- the registry


def test_every_entry_is_pinned_and_has_a_config_of_its_own_package() -> None:
    from app.segmenter.checkpoint import find_config

    assert REGISTRY[0].name == "thesis"
    assert len({entry.name for entry in REGISTRY}) == len({entry.sha256 for entry in REGISTRY}) == len(REGISTRY)
    for entry in REGISTRY:
        assert urlsplit(entry.url).scheme == "https"
        assert len(entry.sha256) == 64
        assert find_config(entry.config).is_file()
        assert find_name(entry.name) is find_digest(entry.sha256) is entry


def test_names_may_be_written_as_people_write_them() -> None:
    assert find_name("base-plus") == find_name("BASE_PLUS") == find_name("base_plus") is not None
    assert find_name("thesis.pt") is None
    assert find_digest("0" * 64) is None


def test_weights_are_handled_without_torch() -> None:
    script = "import sys, app.cli, app.segmenter.weights; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
