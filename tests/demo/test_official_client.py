"""The official Python client, unchanged, against the embedded Cytomine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cytomine import Cytomine
from cytomine.models import (
    Annotation,
    AnnotationCollection,
    AnnotationTerm,
    Description,
    ImageInstance,
    ImageInstanceCollection,
    Project,
    Property,
    PropertyCollection,
    TermCollection,
)
from PIL import Image

from tests.lab import BOX, DISC_X, DISC_Y, HEIGHT, WIDTH, Lab


def opened(file: Path) -> Image.Image:
    """Read an image and close its file."""
    with Image.open(file) as image:
        return image.copy()


def test_logs_in(client: Cytomine, lab: Lab) -> None:
    assert client.current_user.username == "alice"
    assert client.current_user.publicKey == lab.alice.public_key


def test_wrong_keys_give_no_user(lab: Lab) -> None:
    with Cytomine(lab.cytomine.base_url, lab.alice.public_key, "wrong", use_cache=False, configure_logging=False) as no:
        assert no.current_user is False


def test_fetches_changes_and_deletes_an_annotation(client: Cytomine, lab: Lab) -> None:
    number = lab.draw(BOX)
    annotation = Annotation().fetch(number)
    assert annotation.location == BOX.wkt
    assert annotation.area == pytest.approx(BOX.area)
    annotation.location = "POLYGON ((10 10, 60 10, 60 50, 10 10))"
    assert annotation.update().location == "POLYGON ((10 10, 60 10, 60 50, 10 10))"
    assert lab.location(number) == "POLYGON ((10 10, 60 10, 60 50, 10 10))"
    assert Annotation().fetch(number).updated is not None
    assert annotation.delete() is True
    assert lab.location(number) is None
    assert Annotation().fetch(number) is False


def test_saves_with_terms(client: Cytomine, lab: Lab) -> None:
    term = lab.cytomine.store.add_term(lab.project, "gland")
    saved = Annotation(location=BOX.wkt, id_image=lab.image, id_project=lab.project, id_terms=[term]).save()
    assert Annotation().fetch(saved.id).term == [term]
    other = lab.cytomine.store.add_term(lab.project, "stroma")
    link = AnnotationTerm(saved.id, other).save()
    assert sorted(Annotation().fetch(saved.id).term) == [term, other]
    assert link.delete()
    assert Annotation().fetch(saved.id).term == [term]


def test_lists_by_box_user_and_columns(client: Cytomine, lab: Lab) -> None:
    inside, outside = lab.point(DISC_X, DISC_Y), lab.point(5, 5)
    bobs = lab.point(DISC_X, DISC_Y, by=lab.bob)
    both = AnnotationCollection(image=lab.image, showWKT=True, bbox=BOX.wkt).fetch()
    assert [each.id for each in both] == [bobs, inside]
    hers = AnnotationCollection(image=lab.image, user=lab.alice.id, showWKT=True).fetch()
    assert [each.location for each in hers] == ["POINT (5 5)", f"POINT ({DISC_X} {DISC_Y})"]
    assert AnnotationCollection(project=lab.project).fetch()[0].location is None
    numbers = client.get("annotation.json", {"image": lab.image, "bbox": "0,0,9,9"})["collection"]
    assert [each["id"] for each in numbers] == [outside]


def test_pages(client: Cytomine, lab: Lab) -> None:
    made = [lab.point(number, 5) for number in range(5)]
    page = client.get("annotation.json", {"image": lab.image, "max": 2, "offset": 2})
    assert [each["id"] for each in page["collection"]] == made[2:0:-1]
    assert (page["size"], page["totalPages"]) == (5, 3)


def test_included_annotations(client: Cytomine, lab: Lab) -> None:
    box, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    lab.point(5, 5)
    found = client.get(
        f"imageinstance/{lab.image}/annotation/included.json",
        {"annotation": box, "user": lab.alice.id, "showWKT": True},
    )
    assert [each["id"] for each in found["collection"]] == [point]


def test_reads_images_projects_and_terms(client: Cytomine, lab: Lab) -> None:
    image = ImageInstance().fetch(lab.image)
    assert (image.width, image.height, image.path) == (WIDTH, HEIGHT, "discs.png")
    assert [each.id for each in ImageInstanceCollection().fetch_with_filter("project", lab.project)] == [lab.image]
    assert Project().fetch(lab.project).id == lab.project
    term = lab.cytomine.store.add_term(lab.project, "gland")
    assert [each.id for each in TermCollection().fetch_with_filter("project", lab.project)] == [term]


def test_pixels(client: Cytomine, lab: Lab, tmp_path: Path) -> None:
    image = ImageInstance().fetch(lab.image)
    assert image.window(DISC_X - 10, HEIGHT - DISC_Y - 10, 20, 20, dest_pattern=str(tmp_path / "w.png"), max_size=4)
    window = np.asarray(opened(tmp_path / "w.png"))
    assert window.shape == (20, 20, 3)  # the size asked for is ignored, as Core ignores it
    assert window.mean() < 130  # all disc: y counts from the top here
    assert image.window(WIDTH - 5, 0, 20, 20, dest_pattern=str(tmp_path / "out.png")) is False
    assert image.dump(str(tmp_path / "t.jpg"), max_size=100)
    assert opened(tmp_path / "t.jpg").size == (100, 75)
    annotation = Annotation().fetch(lab.draw(BOX))
    assert annotation.dump(str(tmp_path / "c.png"), max_size=64)
    assert max(opened(tmp_path / "c.png").size) == 64


def test_properties_and_descriptions(client: Cytomine, lab: Lab) -> None:
    annotation = Annotation().fetch(lab.draw(BOX))
    assert list(PropertyCollection(annotation).fetch()) == []
    assert Property(annotation, key="grade", value="2").save()
    assert [each.value for each in PropertyCollection(annotation).fetch()] == ["2"]
    assert Description(annotation).fetch() is False
    lab.cytomine.store.add_description(annotation.id, "seen")
    assert Description(annotation).fetch().data == "seen"


def test_undo_and_redo_belong_to_the_caller(client: Cytomine, lab: Lab) -> None:
    number, point = lab.draw(BOX), lab.point(3, 3)
    annotation = Annotation().fetch(number)
    annotation.location = "POLYGON ((10 10, 60 10, 60 50, 10 10))"
    annotation.update()
    Annotation().fetch(point).delete()
    assert client.get("command/undo.json")["collection"][0]["annotation"]["id"] == point
    assert lab.location(point) == "POINT (3 3)"
    client.get("command/undo.json")
    assert lab.location(number) == BOX.wkt
    client.get("command/redo.json")
    assert lab.location(number) == "POLYGON ((10 10, 60 10, 60 50, 10 10))"
    keys = (lab.bob.public_key, lab.bob.private_key)
    with Cytomine(lab.cytomine.base_url, *keys, use_cache=False, configure_logging=False) as other:
        assert "Nothing to undo" in other.get("command/undo.json")["collection"][0]["message"]
    assert lab.location(number) == "POLYGON ((10 10, 60 10, 60 50, 10 10))"
