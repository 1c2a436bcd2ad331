"""Files of a dataset: each is there as a whole, or not at all, and one export at a time writes them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import BrokenDataset

PART = ".part"
"""What is being written."""
LOCK = ".lock"


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that whoever looks, and whatever happens, sees the old one or the new one."""
    part = file.with_name(f"{file.name}{PART}")
    part.write_bytes(content)
    part.replace(file)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who writes to a folder, which is made where it does not exist.

    Raises
    ------
    BrokenDataset
        Another process is writing to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BrokenDataset(f"Another export is writing to {folder}: wait until it is done.") from error
        yield
