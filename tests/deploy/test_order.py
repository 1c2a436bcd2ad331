"""The guide, step by step, on the other network: Cytomine stays up all along, and so it does on the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.stack import SERVICE, Stack, run, until


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

    _another_image(fresh, "localhost/refine-deploy:newer")
    _another_image(fresh, SERVICE)

    fresh.compose("stop", "refine")
    run("podman", "rm", "-f", fresh.container("refine"))
    assert fresh.is_up()
    assert fresh.click(fresh.draw()).json()["type"] == "urn:cytomine-refine:service-absent"


def _another_image(stack: Stack, image: str) -> None:
    """Upgrade or roll back: another tag, and the same annotation service goes on."""
    run("podman", "tag", SERVICE, image)
    stack.environment["IMAGES_REFINE"] = image
    run("podman", "rm", "-f", "-t", "30", stack.container("refine"))
    stack.compose("up", "-d", "--no-deps", "refine")
    stack.wait_for_service()
    assert stack.is_up()
    drawn = stack.draw()
    until(lambda: stack.click(drawn).status_code == 200, "a refine with the other image")
    assert stack.inspect("refine")["ImageName"] == image
