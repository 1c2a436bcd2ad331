"""The unfinished file of a pull: it survives whatever stops the pull, and becomes the checkpoint in one step."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_READ_BYTES = 2**20
_logger = logging.getLogger(__name__)


class PartFile:
    """The bytes received so far, ``<target>.part``, and which version of the source they belong to.

    The version is the source's own validator (an ETag or a date), kept in ``<target>.part.version``. Without one the
    bytes cannot be continued safely, and the next pull begins afresh.

    Parameters
    ----------
    target : Path
        The finished file's place.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._version_path = target.with_name(target.name + ".part.version")

    def __enter__(self) -> Self:
        self._file = self.path.open("a+b")  # appends: what is there stays
        self._digest = hashlib.sha256()
        self._file.seek(0)
        while chunk := self._file.read(_READ_BYTES):
            self._digest.update(chunk)
        self.size_bytes = self._file.tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def version(self) -> str | None:
        """The source's validator for these bytes."""
        return (self._version_path.read_text() or None) if self._version_path.exists() else None

    @property
    def sha256(self) -> str:
        """Digest of the bytes so far."""
        return self._digest.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Add received bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def restart(self, version: str | None) -> None:
        """Drop the bytes; the next ones belong to `version` of the source."""
        self._version_path.unlink(missing_ok=True)
        self._file.truncate(0)
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        if version is not None:
            self._version_path.write_text(version)

    def discard(self) -> None:
        """Leave no trace of the bytes: they are wrong."""
        self.path.unlink()
        self._version_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Make the bytes durable, then make them the target, at once for everybody who looks."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.path.replace(self.target)
        self._version_path.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Let one pull of this target work at a time; others wait. The lock dies with its process."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _logger.warning("Another pull of %s is at work; waiting for it.", target)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
