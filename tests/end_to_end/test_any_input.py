"""Odd shapes, bodies and images in any number: every answer is a declared one, and the process lives.

What kills a process, or takes it minutes, comes first; then what a seeded generator makes of good requests.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from PIL import Image

from demo.cytomine.server import EmbeddedCytomine
from demo.service import Service, running_service
from tests.lab import BOX, HEADERS, HEIGHT, SECRET, WIDTH, Lab, free_port, in_one_process, settle

SECONDS = float(os.environ.get("ANY_INPUT_S", "12"))
"""How long the generator goes on; ``pytest -s`` shows how often each answer came."""
AREA = json.loads(shapely.to_geojson(BOX))
WORDS = [
    "POLYGON", "MULTIPOLYGON", "POINT", "GEOMETRYCOLLECTION", "CURVEPOLYGON", "EMPTY", "Z", "SRID=1;", "((", "))", "(",
    ")", ",", " ", "nan", "inf", "-0", "1e308", "-1e400", "4294967297", "9" * 400, "1e-320", "\0", "\x1b[31m", "é",
]  # fmt: skip
VALUES = [
    None, True, [], {}, "", "\x1b[31m", 0, -1, 1e308, 2**63, 10**400, [[]], [[[]]], [[[[]]]], [None], {"a": {}},
    [[[0, 0], [1e9, 0], [1e9, 1e9], [0, 0]]], [[[5, 5], [5, 5], [5, 5], [5, 5]]], "Polygon",
]  # fmt: skip


def png(mode: str, width: int, height: int, kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), 90 if mode in ("L", "P") else None).save(file, kind, **options)
    return file.getvalue()


CROP = png("RGB", 300, 300)


@pytest.fixture
def started(
    cytomine: EmbeddedCytomine, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Lab, Service, Path]]:
    account = cytomine.store.add_user("refine-service")
    keys, log = (account.public_key, account.private_key), tmp_path / "service.log"
    with running_service(free_port(), cytomine.base_url, keys, SECRET, log) as service:
        yield settle(cytomine, request.node.nodeid, service.url), service, log


class Sender:
    """Sends odd requests and looks at the answers."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.seen: Counter[tuple[str, int]] = Counter()
        declared = client.get("/sam/openapi.json").json()["paths"]
        self._declared = {path: set(ways["post"]["responses"]) for path, ways in declared.items() if "post" in ways}

    def crop(self, location: str, content: bytes, size: tuple[object, object] = (WIDTH, HEIGHT)) -> None:
        """Send a crop."""
        data = {"image_width": str(size[0]), "image_height": str(size[1]), "location": location}
        files = {"annotation_crop": ("7.png", content, "image/png")}
        self._look("/sam/annotations/refine", self._client.post("/sam/annotations/refine", files=files, data=data))

    def body(self, route: str, content: bytes) -> None:
        """Send a body as it is."""
        headers = {"Content-Type": "application/json"}
        self._look(f"/sam/{route}", self._client.post(f"/sam/{route}", content=content, headers=headers))

    def _look(self, path: str, answer: httpx.Response) -> None:
        self.seen[path, answer.status_code] += 1
        told = (path, answer.status_code, answer.text[:300])
        assert str(answer.status_code) in self._declared[path], told
        assert answer.status_code != 500, told
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", told
            assert answer.json()["detail"].isprintable(), told


def odd_location(rng: random.Random) -> str:
    """Cut, repeat or change a part of a good WKT."""
    parts = list(BOX.wkt.replace("(", " ( ").replace(")", " ) ").split())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(parts) + 1)
        parts[at : at + rng.randint(0, 2)] = [rng.choice(WORDS)] * rng.choice([0, 1, 1, 2, 3000])
    return " ".join(parts)


def odd_body(rng: random.Random, good: dict[str, Any]) -> bytes:
    """Put an odd value anywhere into a good body, most often among the coordinates of its area."""
    body = copy.deepcopy(good)
    holder: Any = body if rng.random() < 0.3 else body["geometry"]["geometry"]["coordinates"]
    while True:
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        if not (isinstance(holder[key], dict | list) and holder[key]) or rng.random() < 0.1:
            break
        holder = holder[key]
    value = copy.deepcopy(rng.choice(VALUES))
    if isinstance(holder[key], int | float) and rng.random() < 0.7:
        value = holder[key] * rng.choice([-1, 0, 0.3, 1.01, 2, 1e9, 1e300])
    for _ in range(rng.choice([0, 0, 0, 0, 0, 20, 300])):
        value = [value]
    holder[key] = value
    text = json.dumps(body)
    return text[: rng.randrange(len(text))].encode() if rng.random() < 0.05 else text.encode()


def odd_image(rng: random.Random) -> bytes:
    """Change some bytes of a good image, or take another format."""
    kinds: list[Callable[[], bytes]] = [
        lambda: png("RGB", 300, 300, rng.choice(["tiff", "gif", "webp", "bmp"])),
        lambda: png("RGBA", rng.choice([1, 900]), 300),
        lambda: png("RGB", 1, HEIGHT),
        lambda: png("RGB", WIDTH, 1, "jpeg", progressive=True),
        lambda: png("L", 9000, 9000, compress_level=1),
    ]
    content = bytearray(rng.choice(kinds)() if rng.random() < 0.3 else CROP)
    for _ in range(rng.choice([0, 1, 3, 20])):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content[: rng.randrange(len(content))] if rng.random() < 0.2 else content)


def worst(sender: Sender, prediction: dict[str, Any]) -> None:
    """Send what is known to have ended processes."""
    for location in (
        "GEOMETRYCOLLECTION(" * 30_000,
        "POLYGON" + "(" * 500_000,
        "POLYGON ((0 0, 1e308 0, 1e308 1e308, 0 0))",
        "POLYGON ((-1e300 -1e300, 1e300 -1e300, 0 1e300, -1e300 -1e300))",
        "\x1b[31mPOLYGON",
    ):
        sender.crop(location, CROP)
    strip = "POLYGON ((0 10, 1 10, 1 13990, 0 13990, 0 10))"
    sender.crop(strip, png("RGB", 1, 14_000), (1, 14_000))
    sender.crop(BOX.wkt, png("L", 20_000, 20_000), (20_000, 20_000))
    for deep in (600, 50_000):
        nested = "[" * deep + "]" * deep
        for route in ("prediction", "smart_prediction", "embeddings"):
            sender.body(route, json.dumps(prediction).replace('"Polygon"', f'"Polygon", "more": {nested}').encode())
            sender.body(route, nested.encode())
        area = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": "deep"}}
        sender.body("prediction", json.dumps({**prediction, "geometry": area}).replace('"deep"', nested).encode())


@pytest.mark.long
@in_one_process
@pytest.mark.parametrize("seed", [int(os.environ.get("ANY_INPUT_SEED", "1"))])
def test_any_input_gets_a_declared_answer_and_the_process_lives(started: tuple[Lab, Service, Path], seed: int) -> None:
    lab, service, log = started
    rng = random.Random(seed)
    feature = {"type": "Feature", "geometry": AREA, "properties": None}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [500, 300]}, "properties": {"label": 1}}
    prediction: dict[str, Any] = {"image_id": lab.image, "geometry": feature, "points": [point]}
    area = {"image_id": lab.image, "geometry": feature}
    with httpx.Client(base_url=lab.service_url, headers=HEADERS, timeout=60, trust_env=False) as client:
        sender = Sender(client)
        worst(sender, prediction)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            sender.crop(odd_location(rng), CROP)
            sender.crop(BOX.wkt, odd_image(rng))
            sender.crop(BOX.wkt, CROP, (rng.choice([0, 1, 2**31, 2**40, "x", "9" * 5000, 500]), HEIGHT))
            sender.body("prediction", odd_body(rng, prediction))
            sender.body("smart_prediction", odd_body(rng, {**area, "user_id": lab.alice.id}))
            sender.body("embeddings", odd_body(rng, area))
    print(sorted(sender.seen.items()))
    assert service.process.poll() is None
    assert httpx.get(f"{service.url}/health", trust_env=False).status_code == 200
    assert "Traceback" not in log.read_text()
