"""Embeddings come back from files as they were, within bounds, and what is damaged or old is not there."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import InvalidSettings
from app.geometry.glance import glance_at
from app.geometry.windows import WindowGrid, window_at
from app.segmenter import embedding_files
from app.segmenter.embedding import Sam2Embedding
from app.segmenter.embedding_files import EmbeddingFiles
from app.usecases.ports import EncodedWindow, ModelInfo, Plane, Slide

SLIDE = Slide(5, 1000, 800, "slide.tif")
MODEL = ModelInfo("tiny", "configured", "0" * 64, "float32", "cpu")
Make = Callable[..., EmbeddingFiles]


def encoded(x0: int = 40) -> EncodedWindow:
    rng = np.random.default_rng(x0)
    shapes = ((1, 2, 16, 16), (1, 4, 8, 8), (1, 8, 4, 4))
    embedding = Sam2Embedding(tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes), (64, 60))
    return EncodedWindow(window_at(x0, -20, 64, 1000, 800), embedding, WindowGrid(x0, -20.5, 1.0, 1.01), (60, 64))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def files(
        *, max_bytes: int = 2**20, kept_s: float = 60, model: ModelInfo = MODEL, host: str = "h"
    ) -> EmbeddingFiles:
        made.append(EmbeddingFiles(tmp_path / "kept", max_bytes, kept_s, model, host))
        return made[-1]

    yield files
    for each in made:
        each.close()


def test_a_glance_at_the_pixels_comes_back_too(make: Make) -> None:
    looked = replace(encoded(), glance=glance_at(np.random.default_rng(0).integers(0, 255, (60, 64, 3), np.uint8)))
    written(make(), looked)
    found = make().read(SLIDE, Plane(), looked.window)
    assert found is not None
    assert found.glance is not None
    assert looked.glance is not None
    np.testing.assert_array_equal(found.glance.pixels, looked.glance.pixels)
    assert found.glance.softness == looked.glance.softness


def written(files: EmbeddingFiles, *windows: EncodedWindow) -> None:
    for window in windows:
        files.write(SLIDE, Plane(), window)
    files.close()


def test_another_replica_reads_what_one_has_written(make: Make) -> None:
    kept = encoded()
    written(make(), kept)
    other = make()
    assert other.windows(SLIDE, Plane()) == [kept.window]
    found = other.read(SLIDE, Plane(), kept.window)
    assert found is not None
    assert (found.window, found.grid, found.shape, found.glance) == (kept.window, kept.grid, kept.shape, None)
    assert isinstance(found.embedding, Sam2Embedding)
    assert isinstance(kept.embedding, Sam2Embedding)
    assert found.embedding.window_size == (64, 60)
    for found_level, kept_level in zip(found.embedding.features, kept.embedding.features, strict=True):
        np.testing.assert_array_equal(found_level, kept_level)


@pytest.mark.parametrize(
    "other",
    [
        {"model": replace(MODEL, sha256="1" * 64)},
        {"model": replace(MODEL, engine="openvino")},
        {"model": replace(MODEL, precision="bfloat16")},
        {"host": "another platform"},
    ],
)
def test_other_weights_engines_and_platforms_do_not_meet(make: Make, other: dict[str, object]) -> None:
    kept = encoded()
    written(make(), kept)
    assert make(**other).windows(SLIDE, Plane()) == []
    assert make(**other).read(SLIDE, Plane(), kept.window) is None


def test_other_slides_files_and_planes_do_not_meet(make: Make) -> None:
    written(make(), encoded())
    for slide in (replace(SLIDE, id=6), replace(SLIDE, path="replaced.tif"), replace(SLIDE, width=1001)):
        assert make().windows(slide, Plane()) == []
    assert make().windows(SLIDE, Plane(z=1)) == []


def test_the_least_used_go_first(make: Make, tmp_path: Path) -> None:
    first, second, third = encoded(1), encoded(2), encoded(3)
    written(make(), first, second)
    size = next(tmp_path.rglob("*.npz")).stat().st_size
    past = time.time() - 30
    for file in tmp_path.rglob("*.npz"):
        os.utime(file, (past, past))
    make().read(SLIDE, Plane(), first.window)
    written(make(max_bytes=2 * size), third)
    assert {window.x0 for window in make().windows(SLIDE, Plane())} == {1, 3}


def test_what_is_too_old_is_not_there_and_goes(make: Make, tmp_path: Path) -> None:
    written(make(), encoded(1))
    old = next(tmp_path.rglob("*.npz"))
    os.utime(old, (time.time(), time.time() - 100))
    assert make().windows(SLIDE, Plane()) == []
    written(make(), encoded(2))
    assert not old.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_damaged_file_is_not_there_and_goes(make: Make, tmp_path: Path, content: bytes) -> None:
    kept = encoded()
    written(make(), kept)
    file = next(tmp_path.rglob("*.npz"))
    file.write_bytes(content)
    assert make().read(SLIDE, Plane(), kept.window) is None
    assert not file.exists()


@pytest.mark.parametrize(
    "name",
    ["stray.npz", "1_2.npz", "1_2_0.npz", "1_2_-3.npz", "1_2_3_4.npz", "a_b_c.npz", "1_2_99999999999.npz", ".npz"],
)
def test_a_stray_file_is_none_of_ours(make: Make, tmp_path: Path, name: str) -> None:
    written(make(), encoded())
    stray = next(tmp_path.rglob("*.npz")).with_name(name)
    stray.write_bytes(b"x" * 2**21)
    (tmp_path / "kept" / "stray.npz").touch()
    assert make().windows(SLIDE, Plane()) == [encoded().window]
    written(make(), encoded(2))
    assert {window.x0 for window in make().windows(SLIDE, Plane())} == {40, 2}
    assert stray.exists()


def test_a_folder_in_a_files_place_is_not_there(make: Make, tmp_path: Path) -> None:
    kept = encoded()
    written(make(), kept)
    file = next(tmp_path.rglob("*.npz"))
    file.unlink()
    file.mkdir()
    assert make().windows(SLIDE, Plane()) == []
    assert make().read(SLIDE, Plane(), kept.window) is None


@pytest.mark.parametrize("when", ["at the start", "after a write"])
def test_what_a_killed_writer_has_left_goes(make: Make, tmp_path: Path, when: str) -> None:
    written(make(), encoded())
    files = make()
    home = next(tmp_path.rglob("*.npz")).parent
    left, begun = home / "part-7-8", home / "part-9-8"
    left.write_bytes(b"torn")
    begun.write_bytes(b"being written by another replica")
    os.utime(left, (time.time(), time.time() - 3600))
    if when == "at the start":
        make()
    else:
        written(files, encoded(2))
    assert not left.exists()
    assert begun.exists()


def test_a_slow_disk_is_not_given_more_than_it_can_take(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, begun, pack = threading.Event(), threading.Event(), embedding_files._packed

    def slow(window: EncodedWindow) -> dict[str, np.ndarray]:
        begun.set()
        assert go_on.wait(30)
        return pack(window)

    monkeypatch.setattr(embedding_files, "_packed", slow)
    files = make(max_bytes=2**30)
    for x0 in range(100):
        files.write(SLIDE, Plane(), encoded(x0))
    assert begun.wait(30)
    go_on.set()
    files.close()
    assert len(make().windows(SLIDE, Plane())) == 32


def test_the_writer_survives_anything(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("app.segmenter.embedding_files").addHandler(caplog.handler)
    errors = [RuntimeError("the device is gone"), SystemExit("of a library")]
    pack = embedding_files._packed

    def failing(window: EncodedWindow) -> dict[str, np.ndarray]:
        if errors:
            raise errors.pop()
        return pack(window)

    monkeypatch.setattr(embedding_files, "_packed", failing)
    written(make(), encoded(1), encoded(2), encoded(3))
    assert [window.x0 for window in make().windows(SLIDE, Plane())] == [3]
    assert "the device is gone" in caplog.text
    assert not list(tmp_path.rglob("part-*"))


def test_after_the_end_nothing_is_kept_and_nothing_fails(make: Make) -> None:
    files = make()
    files.close()
    written(files, encoded())
    assert make().windows(SLIDE, Plane()) == []


def test_a_disk_that_fails_stops_nothing(make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("app.segmenter.embedding_files").addHandler(caplog.handler)
    files = make()
    (tmp_path / "kept").rmdir()
    (tmp_path / "kept").write_text("in the way")
    written(files, encoded())
    assert "could not be kept" in caplog.text


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("in the way")
    with pytest.raises(InvalidSettings, match="EMBEDDING_FOLDER"):
        EmbeddingFiles(tmp_path / "kept", 1, 1, MODEL, "h")


def test_only_the_service_reads_the_folder(make: Make, tmp_path: Path) -> None:
    written(make(), encoded())
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
