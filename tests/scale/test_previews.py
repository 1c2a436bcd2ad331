"""Previews behind several edges: where no setting gives a key, the driver draws one for all of them."""

from __future__ import annotations

import pytest

ray = pytest.importorskip("ray")

from app.api.previews import key_of  # noqa: E402
from app.settings import Settings  # noqa: E402
from scale.application import assemble  # noqa: E402
from scale.options import Options  # noqa: E402


def spare_key(settings: Settings) -> bytes:
    """Give what every edge of an application is started with."""
    *_, key = assemble(Options(ingresses=2), settings)._bound_deployment.init_args
    assert isinstance(key, bytes)
    return key


def test_all_edges_of_a_service_get_one_key_and_no_other_service_does() -> None:
    settings = Settings()
    key = spare_key(settings)
    assert len(key) == 32
    assert key_of(settings, key) == key
    assert spare_key(settings) != key
