"""Fills the embedded Cytomine: a project, its people, a slide and annotations to refine."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import shapely

from app.geometry.frames import flip_geometry
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, NewAnnotation, Role, Store, User
from demo.samples import Sample, others_of, sample_of, tissue_sample
from demo.slides.drawn import draw_slide
from demo.slides.tissue import GLAND, NEIGHBOUR, tissue_slide
from slides import SlideFile, open_slide

PROJECT = "Refine demo"
_MEMORY = "seeded.json"
_TERMS = {"nuclei": "#3366cc", "glands": "#cc3399", "regions": "#339966", "tissue": "#888888"}


@dataclass(frozen=True, slots=True)
class SeededImage:
    """A slide in the embedded Cytomine."""

    id: int
    name: str
    width: int
    height: int
    path: str
    microns_per_pixel: float | None
    annotations: list[int]
    """Drawn to be refined, besides the sample."""


@dataclass
class Seeded:
    """What was put in; kept in a file, so that a second start finds it."""

    project: int
    users: list[User]
    manager: User
    service: User
    secret: str
    images: dict[str, SeededImage] = field(default_factory=dict)
    """By the slide file's own path."""
    sample: int = 0
    sample_points: list[int] = field(default_factory=list)


def seed(cytomine: EmbeddedCytomine, folder: Path, slide: Path | None) -> tuple[Seeded, SeededImage, Sample]:
    """Bring the embedded Cytomine into the state in which the demo starts.

    Parameters
    ----------
    folder : Path
        Remembers what was seeded; other people's annotations stay from run to run, the sample is drawn anew.
    slide : Path, optional
        A slide of the user; default: a drawn one.

    Returns
    -------
    seeded : Seeded
    image : SeededImage
        The slide that the sample lies on.
    sample : Sample
        Slide frame.
    """
    memory = folder / _MEMORY
    seeded = _remembered(memory) or _people(cytomine)
    if slide is None:
        drawn = draw_slide(cytomine.slides)
        sample, others = sample_of(drawn.objects), others_of(drawn.objects, None)
        path = drawn.path
    else:
        path = slide.resolve()
        sample, others = tissue_sample(open_slide(path)), []
    if str(path) not in seeded.images:
        seeded.images[str(path)] = _add_slide(cytomine, seeded, path, others)
    image = seeded.images[str(path)]
    _draw_sample(cytomine, seeded, image, sample)
    _remember(memory, seeded)
    return seeded, image, sample


def seed_tissue(cytomine: EmbeddedCytomine, folder: Path, seeded: Seeded) -> SeededImage | None:
    """Put a field of real tissue beside the drawn slide, where this machine has one.

    Returns
    -------
    SeededImage or None
        With shapes to refine; None where there is no such picture.
    """
    path = tissue_slide(cytomine.slides)
    if path is None:
        return None
    if str(path) not in seeded.images:
        shapes = [Sample(shape, (), None, "tissue") for shape in (GLAND, NEIGHBOUR)]
        seeded.images[str(path)] = _add_slide(cytomine, seeded, path, shapes)
        _remember(folder / _MEMORY, seeded)
    return seeded.images[str(path)]


def _remember(memory: Path, seeded: Seeded) -> None:
    memory.touch(mode=0o600)
    memory.write_text(json.dumps(asdict(seeded)))


def _remembered(memory: Path) -> Seeded | None:
    if not memory.exists():
        return None
    kept: dict[str, Any] = json.loads(memory.read_text())
    people: dict[str, Any] = {"users": [User(**each) for each in kept["users"]]}
    people |= {name: User(**kept[name]) for name in ("manager", "service")}
    images = {path: SeededImage(**each) for path, each in kept["images"].items()}
    return Seeded(**{**kept, **people, "images": images})


def _people(cytomine: EmbeddedCytomine) -> Seeded:
    store = cytomine.store
    project = store.add_project(PROJECT)
    users = [store.add_user(name) for name in ("alice", "bob")]
    manager, service = store.add_user("manager"), store.add_user("refine-service")
    for user in users:
        store.add_member(project, user.id, Mask.WRITE)
    for user in (manager, service):
        store.add_member(project, user.id, Mask.ADMINISTRATION)
    store.add_user("superadmin", role=Role.SUPER_ADMIN)
    for name, color in _TERMS.items():
        store.add_term(project, name, color)
    return Seeded(project, users, manager, service, secrets.token_urlsafe(24))


def _add_slide(cytomine: EmbeddedCytomine, seeded: Seeded, file: Path, others: list[Sample]) -> SeededImage:
    slide, owner = open_slide(file), seeded.users[0]
    inside = file.is_relative_to(cytomine.slides)
    path = file.name if inside else f"upload-{secrets.token_hex(6)}/{file.name}"
    if not inside:
        _link(file, cytomine.slides / path)
    number = register(cytomine.store, seeded.project, owner.id, path, slide)
    drawn = [
        NewAnnotation(number, seeded.users[place % 2].id, platform_wkt(other.shape, slide.height))
        for place, other in enumerate(others)
    ]
    annotations = cytomine.store.add_annotations(drawn)
    return SeededImage(number, file.name, slide.width, slide.height, path, slide.microns_per_pixel, annotations)


def register(store: Store, project: int, owner: int, path: str, slide: SlideFile) -> int:
    """Add a slide that lies in the image server's folder to a project; gives the image's number.

    Its channels count as one, so that the model sees them as people do: all of them, in their colours.
    """
    return store.add_image(
        project,
        owner,
        path,
        slide.width,
        slide.height,
        microns=slide.microns_per_pixel,
        magnification=slide.magnification,
        bits=slide.bits,
        samples=slide.samples,
        planes=(1, *slide.planes[1:]),
    )


def _link(file: Path, place: Path) -> None:
    """Link a slide into the image server's folder, with the folder of its parts if its format has one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(file)
    parts = file.with_suffix("")
    if parts.is_dir():
        place.with_suffix("").symlink_to(parts)


def _draw_sample(cytomine: EmbeddedCytomine, seeded: Seeded, image: SeededImage, sample: Sample) -> None:
    """Take the last run's sample away, and draw it as it was before it was refined."""
    owner = seeded.users[0].id
    for old in (seeded.sample, *seeded.sample_points):
        cytomine.store.remove(old)
    seeded.sample = cytomine.store.add_annotation(image.id, owner, platform_wkt(sample.shape, image.height))
    points = [NewAnnotation(image.id, owner, platform_wkt(point, image.height)) for point in sample.points]
    seeded.sample_points = cytomine.store.add_annotations(points)


def platform_wkt(geometry: shapely.Geometry, slide_height: int) -> str:
    """Write a geometry of the slide frame as the platform has it."""
    return str(flip_geometry(geometry, slide_height).wkt)
