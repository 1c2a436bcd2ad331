"""Where a campaign takes place: an embedded Cytomine with discs to outline, three people, and the service beside it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np
import shapely
from PIL import Image

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, User
from demo.service import Service, running_service

WIDTH, HEIGHT, RADIUS = 1200, 900, 55
DISCS = tuple((x, y) for x in (150, 450, 750, 1050) for y in (150, 450, 750))
"""Centres, platform frame (origin bottom left), level-0 pixels."""
DEADLINE_S = 4.0
"""The service's own: nothing is written later than this after its request."""
READ_TIMEOUT_S = 1.5
_TOKENS = "a secret that signs the bearer tokens of a campaign, and nothing else ....."
_SECRET = "a shared secret of the campaign"  # noqa: S105  nobody else's service is reached with it


def draw_discs(file: Path) -> None:
    """Draw dark, slightly textured discs on a pink ground."""
    rng = np.random.default_rng(3)
    pixels = np.full((HEIGHT, WIDTH, 3), (236, 200, 222), np.uint8)
    for x, y in DISCS:
        cv2.circle(pixels, (x, HEIGHT - y), RADIUS, (92, 58, 140), -1, cv2.LINE_AA)
    noisy = cv2.GaussianBlur(pixels + rng.normal(0, 12, pixels.shape), (0, 0), 1.2)
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file)


def box_around(disc: int, dx: float = 0.0, dy: float = 0.0) -> shapely.Polygon:
    """Give a loose box around a disc, off its centre by `dx`, `dy`; platform frame, level-0 pixels."""
    x, y = DISCS[disc]
    return shapely.box(x - 70 + dx, y - 68 + dy, x + 66 + dx, y + 72 + dy)


@dataclass
class Replicas:
    """Services that share nothing but Core; whichever is killed is started again on its port."""

    cytomine: EmbeddedCytomine
    keys: tuple[str, str]
    folder: Path
    ports: list[int]
    services: list[Service] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    """Those that are dead, or about to be."""
    _stacks: list[ExitStack] = field(default_factory=list)

    def start(self) -> None:
        """Start all of them."""
        for n in range(len(self.ports)):
            self.services.append(self._started(n))

    def kill(self, n: int) -> None:
        """Kill one without warning; harmless where it is dead already."""
        if n not in self.killed:
            self.killed.add(n)
            self.services[n].process.kill()
            self.services[n].process.wait()

    def revive(self) -> None:
        """Start again whichever is dead."""
        for n in sorted(self.killed):
            self._stacks[n].close()
            self.services[n] = self._started(n)
        self.killed.clear()

    def close(self) -> None:
        """Stop all of them."""
        for stack in self._stacks:
            stack.close()

    def _started(self, n: int) -> Service:
        stack = ExitStack()
        service = stack.enter_context(
            running_service(
                self.ports[n],
                self.cytomine.base_url,
                self.keys,
                _SECRET,
                self.folder / f"service-{n}.log",
                REFINE_REFINE__DEADLINE_S=str(DEADLINE_S),
                REFINE_PLATFORM__READ_TIMEOUT_S=str(READ_TIMEOUT_S),
                REFINE_API__MAX_PER_MINUTE_PER_CALLER="1000000",
            )
        )
        self._stacks[n:] = [stack, *self._stacks[n + 1 :]]
        return service


@dataclass(frozen=True)
class World:
    """The platform, its people and the services."""

    cytomine: EmbeddedCytomine
    project: int
    image: int
    people: dict[str, User]
    terms: tuple[int, int]
    replicas: Replicas
    tokens: dict[str, str]

    def ask(self, name: str, annotation: int, options: dict[str, object], replica: int = 0) -> httpx.Response:
        """Ask for a refine in somebody's name."""
        service = self.replicas.services[replica]
        url = f"{service.url}/sam/annotations/{annotation}/refine"
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        return httpx.post(url, json=options, headers=headers, timeout=60, trust_env=False)

    def core(self, name: str, method: str, path: str, body: dict[str, object] | None = None) -> httpx.Response:
        """Call Core in somebody's name, for instance to undo."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}", "Accept": "application/json"}
        url = f"{self.cytomine.base_url}/api/{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=60, trust_env=False)

    def hang(self, baggage: str, annotation: int, user: int) -> None:
        """Hang something on an annotation that makes it more than a prompt; nothing for words that are no baggage."""
        store = self.cytomine.store
        match baggage:
            case "property":
                store.add_property(annotation, "counted", "yes")
            case "comment":
                store.add_comment(annotation, user, "a mitosis?")
            case "description":
                store.add_description(annotation, "a mitosis")
            case "tag":
                store.add_tag(annotation, "to be discussed")
            case "attached file":
                store.add_attached_file(annotation, "measurement.csv")
            case "track":
                store.add_track(annotation, "one of many")
            case "link":
                store.add_link([annotation])

    def clear(self) -> None:
        """Take everything off the image, and let everything go well again."""
        self.cytomine.faults.clear()
        for number in self.cytomine.store.annotation_ids(self.image):
            self.cytomine.store.remove(number)


@contextmanager
def world(folder: Path, replicas: int = 1) -> Iterator[World]:
    """Set everything up below a folder, and take it down at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with EmbeddedCytomine(folder / "cytomine", jwt_secret=_TOKENS) as cytomine:
        store = cytomine.store
        draw_discs(cytomine.slides / "discs.png")
        project = store.add_project(f"campaign {os.getpid()}")
        people = {name: store.add_user(name) for name in ("alice", "bob", "carol")}
        for user in people.values():
            store.add_member(project, user.id, Mask.WRITE)
        image = store.add_image(project, people["alice"].id, "discs.png", WIDTH, HEIGHT)
        terms = (store.add_term(project, "gland"), store.add_term(project, "mitosis"))
        account = store.add_user("refine-service")
        services = Replicas(cytomine, (account.public_key, account.private_key), folder, _free_ports(replicas))
        identity = Identity("full", _TOKENS)
        tokens = {name: identity.token(name, "ROLE_USER", "SESSION", 86_400) for name in people}
        try:
            services.start()
            yield World(cytomine, project, image, people, terms, services, tokens)
        finally:
            services.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
