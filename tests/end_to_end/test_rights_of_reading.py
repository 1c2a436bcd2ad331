"""Who may have a slide looked at: whatever the service's own account may, predictions are made as the caller."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import shapely

from demo.cytomine.identity import Identity
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, Lab, serving, settings_for, settle

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
AREA = {"type": "Feature", "geometry": shapely.geometry.mapping(BOX)}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A service with an account that may see everything of the project."""
    folder: Path = tmp_path_factory.mktemp("cytomine")
    with EmbeddedCytomine(folder, jwt_secret=JWT_SECRET) as cytomine, serving(settings_for(cytomine)) as url:
        yield settle(cytomine, "reading", url)


def ask(lab: Lab, username: str, route: str, body: dict[str, object]) -> int:
    token = Identity("full", JWT_SECRET).token(username, "ROLE_USER", "SESSION", 600)
    headers = {"authorization": f"Bearer {token}"}
    url = f"{lab.service_url}/sam/{route}"
    return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False).status_code


@pytest.mark.parametrize(
    ("route", "done"),
    [("prediction", 200), ("smart_prediction", 200), ("embeddings", 202), ("embeddings of an annotation", 202)],
)
def test_a_stranger_sees_nothing_through_the_service(lab: Lab, route: str, done: int) -> None:
    stranger = lab.cytomine.store.add_user("stranger")
    body: dict[str, object] = {"image_id": lab.image, "geometry": AREA}
    if route == "smart_prediction":
        body["user_id"] = lab.alice.id
    if "annotation" in route:
        body = {"annotation_id": lab.draw(BOX)}
    name = route.partition(" ")[0]
    lab.cytomine.faults.clear()
    assert ask(lab, stranger.username, name, body) == 403
    assert not [path for path in lab.requests("POST") if path.endswith("/window")]
    assert ask(lab, lab.alice.username, name, body) == done
