"""Pages of mapped files go, and what they held can still be read."""

from __future__ import annotations

import mmap
import re
import sys
from pathlib import Path

import pytest

from app.segmenter.engines.mapped_files import drop_pages

SIZE = 2**22


def resident_kib(file: Path) -> int:
    found = re.search(rf"{re.escape(str(file))}\n(?:.*\n)*?Rss:\s+(\d+)", Path("/proc/self/smaps").read_text())
    return int(found[1]) if found else 0


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc/self/maps here")
def test_pages_go_and_come_again(tmp_path: Path) -> None:
    file, other = tmp_path / "kept" / "weights", tmp_path / "other"
    file.parent.mkdir()
    for each in (file, other):
        each.write_bytes(b"w" * SIZE)
    with file.open("rb") as one, other.open("rb") as two:
        mapped = mmap.mmap(one.fileno(), 0, prot=mmap.PROT_READ)
        apart = mmap.mmap(two.fileno(), 0, prot=mmap.PROT_READ)
        assert mapped.read() == apart.read() == b"w" * SIZE
        assert resident_kib(file) == SIZE // 1024
        assert drop_pages(file.parent) == SIZE
        assert resident_kib(file) == 0
        assert resident_kib(other) == SIZE // 1024
        mapped.seek(0)
        assert mapped.read() == b"w" * SIZE
        mapped.close()
        apart.close()


def test_a_system_without_such_a_list_is_left_alone(tmp_path: Path) -> None:
    assert drop_pages(tmp_path, tmp_path / "none") == 0
