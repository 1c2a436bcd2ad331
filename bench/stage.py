"""What the questions stand on: the demo's embedded Cytomine with a slide, weights, the service, and the reference."""

from __future__ import annotations

import itertools
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import shapely
import torch

from app.memory import keep_what_is_loaded
from app.segmenter.checkpoint import build_model
from app.segmenter.weights.choice import EMBEDDED_MODEL
from app.settings import PlatformSettings
from bench.reference import Reference, open_reference
from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from demo.samples import Sample
from demo.seeding import Seeded, SeededImage, platform_wkt, seed
from demo.service import Service, running_service

_JWT_SECRET, _TOKEN_S = secrets.token_hex(32), 3600.0
_STEP_PX0 = 3
"""From box to box; windows lie on whole pixels, so boxes one pixel apart can share theirs."""


@dataclass
class Stage:
    """A platform with one slide, and people to act on it."""

    cytomine: EmbeddedCytomine
    seeded: Seeded
    image: SeededImage
    sample: Sample
    folder: Path
    checkpoint: Path
    config: str
    engine: str
    port: int
    """Of the service."""
    _shifts: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def platform(self) -> PlatformSettings:
        """The platform as the service account sees it."""
        account = self.seeded.service
        return PlatformSettings.model_validate(
            {"host": self.cytomine.base_url, "public_key": account.public_key, "private_key": account.private_key}
        )

    def add_slide(self, file: Path, side_px0: int) -> SeededImage:
        """Bring a square slide into the project."""
        link = self.cytomine.slides / file.name
        if not link.exists():
            link.symlink_to(file.resolve())
        owner = self.seeded.users[0].id
        number = self.cytomine.store.add_image(self.seeded.project, owner, file.name, side_px0, side_px0)
        return SeededImage(number, file.name, side_px0, side_px0, file.name, None, [])

    def draw(
        self,
        shape: shapely.Geometry | None = None,
        points: int = 2,
        *,
        shifted: bool = True,
        image: SeededImage | None = None,
    ) -> int:
        """Draw a box, shifted to where nobody has drawn one yet, and points on it; gives its id."""
        at = next(self._shifts) if shifted else 0
        box = shapely.affinity.translate(shape or self.sample.shape, _STEP_PX0 * (at % 97), _STEP_PX0 * (at // 97))
        number = self._add(box, image)
        for n in range(points):
            self._add(shapely.Point(box.centroid.x + 5 * n, box.centroid.y))
        return number

    def add_point(self, number: int) -> None:
        """Add a point to a drawn box."""
        location = self.cytomine.store.location(number)
        centre = shapely.from_wkt(location).centroid if location else self.sample.shape.centroid
        self.cytomine.store.add_annotation(self.image.id, self.seeded.users[0].id, centre.wkt)

    def _add(self, shape: shapely.Geometry, image: SeededImage | None = None) -> int:
        image = image or self.image
        location = platform_wkt(shape, image.height)
        return self.cytomine.store.add_annotation(image.id, self.seeded.users[0].id, location)

    def bearer(self) -> dict[str, str]:
        """Give the header of the person who draws."""
        person, identity = self.seeded.users[0], Identity("full", _JWT_SECRET)
        return {"Authorization": f"Bearer {identity.token(person.username, 'ROLE_USER', 'SESSION', _TOKEN_S)}"}

    def reference(self) -> Reference:
        """Load the reference."""
        return open_reference(self.platform, self.checkpoint, self.config)

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Run the service, with the weights and the engine of this run."""
        keys = (self.seeded.service.public_key, self.seeded.service.private_key)
        with running_service(
            self.port,
            self.cytomine.base_url,
            keys,
            self.seeded.secret,
            self.folder / "service.log",
            start_s=900,
            REFINE_SEGMENTER__CHECKPOINT=str(self.checkpoint),
            REFINE_SEGMENTER__CONFIG=self.config,
            REFINE_SEGMENTER__ENGINE=self.engine,
            REFINE_SEGMENTER__ENGINE_FOLDER=str(self.folder / "engines"),
            REFINE_REFINE__REUSE_WINDOWS="false",  # the boxes lie close to each other, and yet each is to be a new one
            REFINE_REFINE__MOST_LOOKS="1",  # masks of random weights reach the edge of every window
            REFINE_API__LOG_LEVEL="warning",
        ) as service:
            yield service


def refine(service: Service, number: int, **options: object) -> None:
    """Ask for a refine that must succeed."""
    answer = service.refine(number, **options)
    if answer.status_code != 200:
        raise RuntimeError(answer.text)


def figure(service: Service, name: str) -> float:
    """Read one figure of the service's metrics."""
    page = service.client.get(f"{service.url}/metrics", timeout=30).text
    found = re.search(rf"^{re.escape(name)} ([\d.e+]+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _random(folder: Path, config: str) -> Path:
    """Make a checkpoint of random weights, once."""
    checkpoint = folder / f"{config}-random.pt"
    if not checkpoint.exists():
        torch.manual_seed(0)
        torch.save({"model": build_model(config).state_dict()}, checkpoint)
    return checkpoint


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def staged(folder: Path, config: str, engine: str) -> Iterator[Stage]:
    """Set everything up in a folder, which keeps the slide, the weights and the compiled engines from run to run."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = EMBEDDED_MODEL if config == "embedded" else _random(folder, config)
    for old in (*folder.glob("cytomine.sqlite*"), *folder.glob("seeded.json")):
        old.unlink()
    with ExitStack() as stack:
        port = _free_port()
        addition = f"http://127.0.0.1:{port}/sam"
        cytomine = stack.enter_context(EmbeddedCytomine(folder, jwt_secret=_JWT_SECRET, refine_url=addition))
        seeded, image, sample = seed(cytomine, folder, None)
        keep_what_is_loaded()  # the platform answers from this process, and torch is in it
        yield Stage(cytomine, seeded, image, sample, folder, checkpoint, config, engine, port)
