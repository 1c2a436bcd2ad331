"""One Ray for all tests of a run that want one: it takes seconds to start, and services come and go on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from app.settings import Settings
from app.usecases.ports import QueueLoad

if TYPE_CHECKING:
    from scale.segmenter import RaySegmenter

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


@contextmanager
def segmenter(factory: str, settings: Settings, name: str = "", **options: object) -> Iterator[RaySegmenter]:
    """Give replicas of a model as one segmenter, without an HTTP edge."""
    base_url()
    from ray import serve

    from scale.application import model
    from scale.options import Options
    from scale.segmenter import RaySegmenter

    name = name or f"model-{next(_numbers)}"
    chosen = Options.model_validate({"factory": factory, **options})
    handle = serve.run(model(chosen, settings), name=name, route_prefix=None)
    try:
        yield RaySegmenter(handle, settings.refine.deadline_s, lambda: QueueLoad(0, 0, 0.0))
    finally:
        serve.delete(name)


def declare(*applications: dict[str, object]) -> None:
    """Let the cluster run these applications, as ``serve deploy`` does; others that were declared before are ended."""
    base_url()
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    client = _get_global_client()
    client.deploy_apps(ServeDeploySchema.model_validate({"applications": list(applications)}))
    for application in applications:
        client._wait_for_application_running(str(application["name"]), timeout_s=120)
