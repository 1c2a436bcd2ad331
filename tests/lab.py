"""A small laboratory: the embedded Cytomine with a drawn image, and the real service beside it, both on real HTTP."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import httpx
import numpy as np
import pytest
import shapely
import uvicorn
from PIL import Image
from pydantic import SecretStr

from app.main import create_app
from app.settings import ApiSettings, PlatformSettings, SegmenterSettings, Settings
from app.signing import SignatureForm
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, NewAnnotation, User
from tests import ray_lab

ON_RAY = os.environ.get("TEST_SERVER", "uvicorn") == "ray"
"""What the tests of the whole run against; ``make test-scale`` runs them against Ray Serve."""
in_one_process = pytest.mark.skipif(ON_RAY, reason="looks into the process that serves, or starts one of its own")
SECRET = "a secret of the tests, long enough"
HEADERS = {"X-Refine-Secret": SECRET}
WIDTH, HEIGHT = 1200, 900
DISC_X, DISC_Y, DISC_RADIUS = 500, 300, 60
"""Platform frame: origin bottom left."""
DISC = shapely.Point(DISC_X, DISC_Y).buffer(DISC_RADIUS)
BOX = shapely.box(DISC_X - 75, DISC_Y - 70, DISC_X + 66, DISC_Y + 78)


def draw_image(file: Path) -> None:
    """Draw dark, slightly textured discs on pink ground: the one of `DISC`, and a grid of others on the right."""
    rng = np.random.default_rng(5)
    pixels = np.full((HEIGHT, WIDTH, 3), (236, 200, 222), np.uint8)
    places = [(DISC_X, DISC_Y), *((x, y) for x in (760, 950, 1100) for y in range(120, 860, 160))]
    for x, y in places:
        cv2.circle(pixels, (x, HEIGHT - y), DISC_RADIUS, (92, 58, 140), -1, cv2.LINE_AA)
    noisy = cv2.GaussianBlur(pixels + rng.normal(0, 12, pixels.shape), (0, 0), 1.2)
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file)


@dataclass
class Lab:
    """A project of its own in the shared Cytomine, and the service."""

    cytomine: EmbeddedCytomine
    service_url: str
    project: int
    image: int
    alice: User
    bob: User
    account: User
    """The service's own, a manager of the project."""

    def draw(self, shape: shapely.Geometry | str, *, by: User | None = None, terms: tuple[int, ...] = ()) -> int:
        """Draw an annotation without going through Core's rules."""
        location = shape if isinstance(shape, str) else shape.wkt
        return self.cytomine.store.add_annotation(self.image, (by or self.alice).id, location, terms=terms)

    def point(self, x: float, y: float, *, by: User | None = None, terms: tuple[int, ...] = ()) -> int:
        """Draw a point."""
        return self.draw(f"POINT ({x} {y})", by=by, terms=terms)

    def points(self, count: int) -> list[int]:
        """Draw many points on the disc."""
        rng = np.random.default_rng(count)
        places = rng.uniform(-40, 40, (count, 2)) + np.array([DISC_X, DISC_Y])
        return self.cytomine.store.add_annotations(
            NewAnnotation(self.image, self.alice.id, f"POINT ({x} {y})") for x, y in places
        )

    def refine(self, annotation: int, timeout_s: float = 60, **options: object) -> httpx.Response:
        """Ask for a refine."""
        url = f"{self.service_url}/sam/annotations/{annotation}/refine"
        return httpx.post(url, json=options, headers=HEADERS, timeout=timeout_s, trust_env=False)

    def location(self, annotation: int) -> str | None:
        """Look at what Core has."""
        return self.cytomine.store.location(annotation)

    def iou(self, annotation: int, truth: shapely.Geometry = DISC) -> float:
        """Compare what Core has with the drawn disc."""
        found = shapely.from_wkt(self.location(annotation) or "POLYGON EMPTY")
        return float(found.intersection(truth).area / found.union(truth).area)

    def requests(self, method: str) -> list[str]:
        """List the paths that Core was asked for with a method."""
        return [seen.path for seen in self.cytomine.faults.requests if seen.method == method]


def settle(cytomine: EmbeddedCytomine, name: str, service_url: str, file: str = "discs.png") -> Lab:
    """Set up a project with its people and the drawn image."""
    store = cytomine.store
    if not (cytomine.slides / file).exists():
        draw_image(cytomine.slides / file)
    project = store.add_project(name)
    alice, bob, account = (store.add_user(each) for each in ("alice", "bob", "refine-service"))
    for user in (alice, bob):
        store.add_member(project, user.id, Mask.WRITE)
    store.add_member(project, account.id, Mask.ADMINISTRATION)
    image = store.add_image(project, alice.id, file, WIDTH, HEIGHT)
    return Lab(cytomine, service_url, project, image, alice, bob, account)


def settings_for(cytomine: EmbeddedCytomine, **api: object) -> Settings:
    """Give settings for a service beside an embedded Cytomine, impatient and with the embedded model."""
    account = cytomine.store.add_user("refine-service")
    return Settings(
        platform=PlatformSettings(
            host=cytomine.base_url,
            public_key=account.public_key,
            private_key=SecretStr(account.private_key),
            read_timeout_s=8.0,
        ),
        segmenter=SegmenterSettings(device="cpu", demo_model=True),
        api=ApiSettings(shared_secret=SecretStr(SECRET), log_level="warning", **api),  # type: ignore[arg-type]
    )


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def with_addition(
    folder: Path, jwt_secret: str, signature: SignatureForm = "full"
) -> Iterator[tuple[EmbeddedCytomine, str]]:
    """Run an embedded Cytomine whose Core has the addition, and the service; gives it and the service's URL."""
    url = ray_lab.new_url() if ON_RAY else f"http://127.0.0.1:{free_port()}"
    with (
        EmbeddedCytomine(folder, jwt_secret=jwt_secret, refine_url=f"{url}/sam", signature=signature) as cytomine,
        serving(settings_for(cytomine), url) as service_url,
    ):
        yield cytomine, service_url


def serving(settings: Settings, url: str = "") -> AbstractContextManager[str]:
    """Serve the real application, on uvicorn or on Ray Serve; gives its base URL, `url` where that is given."""
    return ray_lab.serving(settings, url) if ON_RAY else _serving_from_a_thread(settings, urlsplit(url).port or 0)


@contextmanager
def _serving_from_a_thread(settings: Settings, port: int) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        _wait_until_ready(url)
        yield url
    finally:
        server.should_exit = True
        thread.join()


def _wait_until_ready(url: str) -> None:
    for _ in range(1200):
        try:
            if httpx.get(f"{url}/sam/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.05)
    raise TimeoutError(url)
