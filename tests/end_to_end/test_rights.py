"""Who may refine what: with a user's own token, exactly what Core lets that user edit.

Every case asks Core for the same edit first, and compares. The table in ``docs/rights.md`` is written by this test.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from app.settings import ApiSettings, PlatformSettings, SegmenterSettings, Settings
from demo.cytomine.identity import Identity, sign
from demo.cytomine.server import EmbeddedCytomine
from demo.cytomine.store import Mask, Role, User
from tests.lab import (
    BOX,
    DISC_X,
    DISC_Y,
    HEIGHT,
    SECRET,
    WIDTH,
    Lab,
    draw_image,
    in_one_process,
    serving,
    settings_for,
)

JWT_SECRET = "a secret that signs the tokens of these tests, sixty-four bytes l"
TABLE = Path(__file__).resolve().parents[2] / "docs" / "rights.md"
MADE = TABLE.parents[1] / "out" / "rights.md"
PROJECTS = {
    "classic": {},
    "restricted": {"restricted": True},
    "read-only": {"read_only": True},
    "blind": {"blind": True},
}
NUMBERS = count()
PEOPLE = ("owner", "colleague", "manager", "not a member", "super admin")


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine"), jwt_secret=JWT_SECRET) as embedded:
        draw_image(embedded.slides / "discs.png")
        yield embedded


@pytest.fixture(scope="module")
def service_url(cytomine: EmbeddedCytomine) -> Iterator[str]:
    """A service without a secret and without an account of its own: it can only act as whoever asks."""
    settings = settings_for(cytomine)
    platform = settings.platform.model_copy(update={"public_key": "", "private_key": settings.api.shared_secret})
    api = settings.api.model_copy(update={"shared_secret": type(settings.api.shared_secret)("")})
    with serving(Settings(platform=platform, segmenter=settings.segmenter, api=api)) as url:
        yield url


@pytest.fixture(scope="module")
def signing_url(cytomine: EmbeddedCytomine) -> Iterator[str]:
    """A service that checks signatures: its own keys are a super administrator's, who may look the others' up."""
    account = cytomine.store.add_user("image-server", role=Role.SUPER_ADMIN)
    platform = PlatformSettings(
        host=cytomine.base_url, public_key=account.public_key, private_key=SecretStr(account.private_key)
    )
    api = ApiSettings(signatures="full", log_level="warning")
    segmenter = SegmenterSettings(device="cpu", demo_model=True)
    with serving(Settings(platform=platform, segmenter=segmenter, api=api)) as url:
        yield url


@dataclass(frozen=True)
class Scene:
    """A project of one kind with the owner's box and point in it."""

    lab: Lab
    people: dict[str, User]
    annotation: int
    point: int


def scene_of(cytomine: EmbeddedCytomine, service_url: str, kind: str) -> Scene:
    store = cytomine.store
    project = store.add_project(f"{kind} project {next(NUMBERS)}", **PROJECTS[kind])
    roles = {"super admin": Role.SUPER_ADMIN}
    people = {name: store.add_user(name.replace(" ", "-"), role=roles.get(name, Role.USER)) for name in PEOPLE}
    for name in ("owner", "colleague"):
        store.add_member(project, people[name].id, Mask.WRITE)
    store.add_member(project, people["manager"].id, Mask.ADMINISTRATION)
    image = store.add_image(project, people["owner"].id, "discs.png", WIDTH, HEIGHT)
    lab = Lab(cytomine, service_url, project, image, people["owner"], people["colleague"], people["manager"])
    return Scene(lab, people, lab.draw(BOX), lab.point(DISC_X, DISC_Y))


def token_of(user: User, kind: str = "SESSION", lasts_s: float = 600, secret: str = JWT_SECRET) -> str:
    return Identity("full", secret).token(user.username, "ROLE_USER", kind, lasts_s)


def refine(scene: Scene, token: str | None, **options: object) -> httpx.Response:
    url = f"{scene.lab.service_url}/sam/annotations/{scene.annotation}/refine"
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.post(url, json=options, headers=headers, timeout=60, trust_env=False)


def edit(scene: Scene, token: str | None) -> int:
    """Ask Core for an edit that changes nothing; gives its status."""
    url = f"{scene.lab.cytomine.base_url}/api/annotation/{scene.annotation}.json"
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    store = scene.lab.cytomine.store
    body = {
        "id": scene.annotation, "location": store.location(scene.annotation), "image": scene.lab.image,
        "user": scene.lab.alice.id, "slice": slice_of(scene), "geometryCompression": 0,
    }  # fmt: skip
    return httpx.put(url, json=body, headers=headers, timeout=20, trust_env=False).status_code


def slice_of(scene: Scene) -> int:
    with scene.lab.cytomine.store.transaction() as db:
        return int(db.execute("SELECT id FROM slices WHERE image = ?", (scene.lab.image,)).fetchone()[0])


def signed(user: User, path: str, *, late_s: float = 0, private_key: str | None = None) -> dict[str, str]:
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=late_s))
    signature = sign(private_key or user.private_key, f"POST\n\n\n{date}\n{path}")
    return {"authorization": f"CYTOMINE {user.public_key}:{signature}", "date": date}


@pytest.mark.long
def test_core_decides_and_the_service_obeys(cytomine: EmbeddedCytomine, service_url: str, signing_url: str) -> None:
    outcomes: dict[tuple[str, str], int] = {}
    for kind in PROJECTS:
        for person in PEOPLE:
            scene = scene_of(cytomine, service_url, kind)
            token = token_of(scene.people[person])
            before = (scene.lab.location(scene.annotation), scene.lab.location(scene.point))
            answer = refine(scene, token)
            if answer.status_code != 200:
                assert (scene.lab.location(scene.annotation), scene.lab.location(scene.point)) == before
            assert edit(scene, token) == answer.status_code, (kind, person, answer.text)
            outcomes[kind, person] = answer.status_code
            assert refine_signed(cytomine, signing_url, kind, person) == answer.status_code, (kind, person)
    assert outcomes["classic", "owner"] == 200
    assert outcomes["restricted", "colleague"] == 403
    assert outcomes["classic", "not a member"] == 403
    ways = the_ways(cytomine, service_url, signing_url)
    MADE.parent.mkdir(exist_ok=True)
    MADE.write_text(page(outcomes, ways))
    assert TABLE.read_text() == page(outcomes, ways), (
        f"copy {MADE.name} from out/ to docs/ if Core's rules have changed"
    )


def refine_signed(cytomine: EmbeddedCytomine, signing_url: str, kind: str, person: str) -> int:
    """Ask for a refine with a person's API keys, as a script does."""
    scene = scene_of(cytomine, signing_url, kind)
    path = f"/sam/annotations/{scene.annotation}/refine"
    headers = signed(scene.people[person], urlsplit(signing_url).path + path)
    return httpx.post(f"{signing_url}{path}", headers=headers, timeout=60, trust_env=False).status_code


def the_ways(cytomine: EmbeddedCytomine, service_url: str, signing_url: str) -> dict[str, int]:
    """Try each way to prove who asks, good and bad, as the owner of the annotation."""
    scene = scene_of(cytomine, service_url, "classic")
    owner, path = scene.people["owner"], f"/sam/annotations/{scene.annotation}/refine"
    good = signed(owner, urlsplit(signing_url).path + path)

    def ask(url: str, headers: dict[str, str]) -> int:
        body = {"json": {"dry_run": True}} if "date" not in headers else {}
        return httpx.post(f"{url}{path}", headers=headers, timeout=60, trust_env=False, **body).status_code

    def bearer(*args: object, **more: object) -> dict[str, str]:
        return {"authorization": f"Bearer {token_of(owner, *args, **more)}"}  # type: ignore[arg-type]

    return {
        "none": ask(service_url, {}),
        "none, with a forged `Host: nginx`": ask(service_url, {"host": "nginx"}),
        "a session token": ask(service_url, bearer()),
        "an expired token": ask(service_url, bearer(lasts_s=-10)),
        "a token signed with another secret": ask(service_url, bearer(secret="s" * 64)),
        "a short-term token, which Core accepts only for reading": refine(
            scene, token_of(owner, "SHORT_TERM")
        ).status_code,
        "a signature with API keys": ask(signing_url, good),
        "the same signature a second time": ask(signing_url, good),
        "a signature for another path": ask(signing_url, signed(owner, "/sam/annotations/1/refine", late_s=1)),
        "a signature with a wrong key": ask(signing_url, signed(owner, path, late_s=2, private_key="guessed")),
        "a signature from an hour ago": ask(signing_url, signed(owner, path, late_s=3600)),
        "a signature, where the service accepts none": ask(service_url, signed(owner, path, late_s=3)),
        "a wrong shared secret": ask(service_url, {"X-Refine-Secret": "a guess of sixteen letters"}),
    }


def page(outcomes: dict[tuple[str, str], int], ways: dict[str, int]) -> str:
    """Write the tables that people read."""

    def said(status: int) -> str:
        return "yes" if status == 200 else str(status)

    people = "\n".join(
        f"| {person} | {' | '.join(said(outcomes[kind, person]) for kind in PROJECTS)} |" for person in PEOPLE
    )
    proofs = "\n".join(f"| {way} | {said(status)} |" for way, status in ways.items())
    return f"""# Who may refine

A caller with a Cytomine bearer token or a signature made with API keys may refine whatever Core lets them
edit, because the service makes every call to Core as that caller. Core decides, only the caller's own points
are used, and the undo belongs to the caller. A refused request changes nothing.
`tests/end_to_end/test_rights.py` compares each refine with the same edit made directly in Core, and writes
these tables.

| caller | {" | ".join(f"{kind} project" for kind in PROJECTS)} |
|---|{"---|" * len(PROJECTS)}
{people}

Credentials that the owner of an annotation in a classic project may send, and whether the service accepts them:

| credentials | accepted |
|---|---|
{proofs}
"""


@pytest.mark.parametrize("token", [None, "=", "not-a-token", "white space", "ü"])
def test_who_has_no_token_gets_nothing(cytomine: EmbeddedCytomine, service_url: str, token: str | None) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    url = f"{service_url}/sam/annotations/{scene.annotation}/refine"
    headers = {} if token is None else {"authorization": f"Bearer {token}".encode()}
    assert httpx.post(url, headers=headers, trust_env=False).status_code == 401
    assert scene.lab.location(scene.annotation) == BOX.wkt


def test_tokens_that_core_does_not_accept(cytomine: EmbeddedCytomine, service_url: str) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    owner = scene.people["owner"]
    for token, status in (
        (token_of(owner, lasts_s=-10), 401),
        (token_of(owner, secret="s" * 64), 401),
        (token_of(User(0, "nobody", "", "")), 401),
    ):
        assert refine(scene, token).status_code == status == edit(scene, token)
    assert scene.lab.location(scene.annotation) == BOX.wkt


def test_who_may_not_see_the_name_of_a_file_is_not_told_it(cytomine: EmbeddedCytomine, service_url: str) -> None:
    scene = scene_of(cytomine, service_url, "blind")
    answer = refine(scene, token_of(scene.people["colleague"]))
    assert answer.status_code == 200, answer.text
    assert scene.lab.iou(scene.annotation) > 0.85
    assert "discs" not in answer.text


def test_a_token_for_reading_only_is_refused_before_any_work(cytomine: EmbeddedCytomine, service_url: str) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    token = token_of(scene.people["owner"], "SHORT_TERM")
    assert edit(scene, token) == 500  # Core fails at it, and says no more
    cytomine.faults.clear()
    answer = refine(scene, token)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:cytomine-refine:platform-forbidden")
    assert "read-only" in answer.json()["detail"]
    assert cytomine.faults.requests == []


def test_a_secret_nobody_has_opens_nothing(cytomine: EmbeddedCytomine, service_url: str) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    url = f"{service_url}/sam/annotations/{scene.annotation}/refine"
    for secret in ("", SECRET):
        assert httpx.post(url, headers={"X-Refine-Secret": secret}, trust_env=False).status_code == 401


def test_the_undo_and_the_points_are_the_callers(cytomine: EmbeddedCytomine, service_url: str) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    hers = scene.lab.point(DISC_X + 3, DISC_Y, by=scene.people["colleague"])
    token = token_of(scene.people["colleague"])
    answer = refine(scene, token).json()
    assert answer["points_used"] == [hers]
    assert scene.lab.location(scene.point) is not None  # the owner's point is no prompt of the colleague
    undo = f"{cytomine.base_url}/api/command/undo.json"
    for _ in range(2):  # the deletion of the point, then the edit
        httpx.get(undo, headers={"authorization": f"Bearer {token}"}, trust_env=False)
    assert scene.lab.location(scene.annotation) == BOX.wkt


def test_two_callers_at_once_do_not_share_their_rights(cytomine: EmbeddedCytomine, service_url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    scene = scene_of(cytomine, service_url, "restricted")
    tokens = [token_of(scene.people[name]) for name in ("owner", "not a member") * 4]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda token: refine(scene, token, dry_run=True).status_code, tokens))
    assert statuses == [200, 403] * 4


@in_one_process
def test_a_refine_leaves_a_line_and_no_token_in_the_log(
    cytomine: EmbeddedCytomine, service_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scene_of(cytomine, service_url, "classic")
    token = token_of(scene.people["owner"])
    ours = logging.getLogger("app")
    ours.addHandler(caplog.handler)
    ours.setLevel("INFO")
    try:
        assert refine(scene, token).status_code == 200
    finally:
        ours.removeHandler(caplog.handler)
        ours.setLevel("WARNING")
    line = next(message for message in caplog.messages if f"Annotation {scene.annotation} refined" in message)
    assert re.search(
        rf"for user {scene.people['owner'].id}: area \d+ -> \d+ px², 1 points deleted, model embedded", line
    )
    assert token not in caplog.text
