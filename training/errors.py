"""What can go wrong in a training, each with one sentence for the person at the terminal."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class TrainingError(Exception):
    """Base of every error that the training raises on purpose."""


class BrokenSource(TrainingError):
    """What should be exported cannot be read."""


class SourceGone(BrokenSource):
    """Nothing more can be had of a source, as of a server that does not answer any more."""


class BrokenDataset(TrainingError):
    """A dataset folder is incomplete or damaged."""


class Leakage(TrainingError):
    """The same slide, or the same pixels, lie on two sides of a split."""


class BrokenRun(TrainingError):
    """A run's folder belongs to another recipe, or is damaged."""


class NoSpace(TrainingError):
    """The disk is full; what was finished before stays."""


@contextmanager
def telling_of_full_disks(what: str) -> Iterator[None]:
    """Turn the one OS error that people meet in long runs into a sentence.

    Parameters
    ----------
    what : str
        What was being written.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch wraps what its writer meets
        if not is_full(error):
            raise
        raise NoSpace(
            f"The disk is full while writing {what}. Make room and run the same command again: it resumes from here."
        ) from error


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full."""
    return getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(error)
