"""One Ray for all tests of a run that want one: it takes seconds to start, and services come and go on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from app.settings import Settings

_open = ExitStack()
_base: list[str] = []
_numbers = itertools.count(1)


def base_url() -> str:
    """Give the base URL of the tests' Ray; it is started when it is asked for the first time."""
    pytest.importorskip("ray.serve", reason="Ray is not installed (the extra `scale`)")
    from scale.run import cluster

    if not _base:
        _base.append(_open.enter_context(cluster(cpus=64)))
    return _base[0]


def close() -> None:
    """End the tests' Ray, if there is one."""
    _base.clear()
    _open.close()


def new_url() -> str:
    """Choose where the next service will answer: each has a path of its own."""
    return f"{base_url()}/service-{next(_numbers)}"


@contextmanager
def serving(settings: Settings, url: str = "", **options: object) -> Iterator[str]:
    """Serve the application with replicas of the model; gives its base URL."""
    url = url or new_url()
    from scale.options import Options
    from scale.run import deployed

    base, _, name = url.rpartition("/")
    with deployed(base, Options.model_validate(options), settings, name=name) as given:
        yield given
