"""Containers are tried by `make test-deploy`, which builds the images first; nothing here is collected without them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

collect_ignore_glob = [] if "REFINE_DEPLOY_ENGINES" in os.environ else ["test_*.py"]

if "REFINE_DEPLOY_ENGINES" in os.environ:
    from tests.deploy.stack import Stack

    @pytest.fixture(scope="session")
    def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
        """The official network of Community Edition 2025.1, with everything of ours in it."""
        with Stack(tmp_path_factory.mktemp("ce"), "172.18.0") as made:
            made.up_theirs()
            made.join()
            made.patch_nginx()
            made.up_all()
            yield made

    @pytest.fixture(autouse=True)
    def _nothing_is_left_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
        yield
        if "stack" in request.fixturenames:
            request.getfixturevalue("stack").clear()
