"""What a crowd stands on: an embedded Cytomine with many slides and many people, and where its figures are read."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.people import Habits, Place
from bench.load.replay import Crowd
from demo.cytomine.faults import SeenRequest
from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, User
from demo.seeding import register
from demo.slides.drawn import draw_slide
from slides import open_slide

_ROLES = "ROLE_GUEST,ROLE_USER"
_TOKEN_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class LoadStage:
    """A platform with people on it."""

    cytomine: EmbeddedCytomine
    folder: Path
    account: User
    """The service's own."""
    secret: str
    tokens: tuple[str, ...]
    slides: tuple[Place, ...]

    def crowd(self, service_url: str, habits: Habits, seconds: float, **how: float) -> Crowd:
        """Let people work here, beside a service; see `Crowd` for how."""
        where = (self.cytomine.base_url, service_url, self.tokens, self.slides)
        return Crowd(*where, habits, seconds, **how)  # type: ignore[arg-type]


def _drawn(folder: Path) -> Path:
    return draw_slide(folder).path


@contextmanager
def load_stage(
    folder: Path, *, slides: int = 24, people: int = 256, draw: Callable[[Path], Path] = _drawn
) -> Iterator[LoadStage]:
    """Set a platform up in a folder, which keeps the slide's file from run to run and nothing else.

    Parameters
    ----------
    slides : int
        Images of the platform; all have the same pixels.
    people : int
        Accounts.
    draw : callable
        Makes the slide's file in a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("cytomine.sqlite*"):
        old.unlink()
    jwt_secret = secrets.token_hex(32)
    with EmbeddedCytomine(folder, jwt_secret=jwt_secret) as cytomine:
        store, identity = cytomine.store, Identity("full", jwt_secret)
        project = store.add_project("Many people")
        account = store.add_user("refine-service")
        store.add_member(project, account.id, Mask.ADMINISTRATION)
        names = [f"person-{number}" for number in range(people)]
        for name in names:
            store.add_member(project, store.add_user(name).id, Mask.WRITE)
        path = draw(cytomine.slides)
        file = open_slide(path)
        images = [register(store, project, account.id, path.name, file) for _ in range(slides)]
        yield LoadStage(
            cytomine,
            folder,
            account,
            secrets.token_urlsafe(24),
            tuple(identity.token(name, _ROLES, "SESSION", _TOKEN_S) for name in names),
            tuple(Place(image, file.width, file.height) for image in images),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the service asked the platform for."""

    core_reads: int
    core_writes: int
    windows: int


def asked_of(requests: list[SeenRequest]) -> Asked:
    """Count what the service asked for; what people draw is left out."""
    kinds: Counter[str] = Counter()
    for seen in requests:
        if seen.path.startswith("/ims/"):
            kinds["window"] += 1
        elif not (seen.method == "POST" and seen.path == "/api/annotation.json"):
            kinds["read" if seen.method == "GET" else "write"] += 1
    return Asked(kinds["read"], kinds["write"], kinds["window"])
