"""The guide, step by step, on the other network: Cytomine stays up all along, and so it does on the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.deploy.stack import SERVICE, Stack, run, until

NEWER = "localhost/refine-deploy:newer"


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("fork"), "172.20.0") as made:
        yield made


def test_the_documented_order_never_takes_cytomine_down(fresh: Stack) -> None:
    fresh.up_theirs()
    fresh.join()
    fresh.up_refine()
    assert fresh.is_up()
    fresh.patch_nginx()
    fresh.up_nginx(ours=False)  # somebody brings Cytomine up as ever, without our file
    assert fresh.is_up()
    fresh.up_nginx()
    drawn = fresh.draw()
    until(lambda: fresh.click(drawn).status_code == 200, "the first refine")
    assert fresh.iou(drawn) > 0.8
    assert fresh.inspect("nginx")["NetworkSettings"]["Networks"].popitem()[1]["IPAddress"] == "172.20.0.8"

    old = _version(fresh)
    _build_newer()
    _another_image(fresh, NEWER)
    assert _version(fresh) == "99.0"
    _another_image(fresh, SERVICE)
    assert _version(fresh) == old

    fresh.compose("stop", "refine")
    run("podman", "rm", "-f", fresh.container("refine"))
    assert fresh.is_up()
    assert fresh.click(fresh.draw()).json()["type"] == "urn:cytomine-refine:service-absent"


def _build_newer() -> None:
    """Build an image of a later version: other content, and another label."""
    record = "/venv/lib/python3*/site-packages/cytomine_refine_service-*.dist-info/METADATA"
    lines = [
        f"FROM {SERVICE}",
        "USER 0",
        f"RUN sed -i 's/^Version: .*/Version: 99.0/' {record}",
        "USER 10001",
        'LABEL org.opencontainers.image.version="99.0"',
    ]
    run("podman", "build", "-q", "--format", "docker", "-t", NEWER, "-", input="\n".join(lines))


def _version(stack: Stack) -> str:
    """Give the version that runs, which must be the one on the image's label."""
    said = stack.inside("refine", "python", "-m", "app", "--version").stdout.split()[-1]
    image = json.loads(run("podman", "image", "inspect", stack.inspect("refine")["Image"]).stdout)[0]
    assert image["Labels"]["org.opencontainers.image.version"] == said
    return str(said)


def _another_image(stack: Stack, image: str) -> None:
    """Upgrade or roll back: the weights stay, and the service goes on."""
    stack.environment["IMAGES_REFINE"] = image
    run("podman", "rm", "-f", "-t", "30", stack.container("refine"))
    stack.compose("up", "-d", "--no-deps", "refine")
    stack.wait_for_service()
    assert stack.is_up()
    drawn = stack.draw()
    until(lambda: stack.click(drawn).status_code == 200, "a refine with the other image")
    assert stack.inspect("refine")["ImageName"] == image
