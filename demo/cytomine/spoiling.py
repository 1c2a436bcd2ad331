"""What is sent in place of a good answer: pages, odd JSON, changed images."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""

PAGE = b"<!DOCTYPE html><html><body><h1>It works, but not as you think</h1></body></html>"
ODD_BODIES = (
    b"", b"null", b"5", b'"text"', b"[]", b"[5]", b"{}", b"[" * 2000, b'{"id":1', b"\xff\xfe", b"invalid json string",
    b'{"message":"ok"}', b'{"annotation":null}', b'{"annotation":[]}', b'{"collection":null}', b'{"collection":{}}',
    b'{"collection":[5]}', b'{"collection":[{"id":null}]}', b'{"errors":5}', b'{"errors":{"message":[]}}',
)  # fmt: skip
"""Bodies that say nothing which a caller could understand."""
_ODD_VALUES: tuple[Any, ...] = (None, True, -1, 1e300, "", "text", [], [None], {}, {"id": None})


def spoilt_image(kind: str, answer: Answer) -> Answer:
    """Cut an image off, resize it, or change its mode."""
    status, headers, body = answer
    if kind == "truncate":
        return status, headers, body[: len(body) // 2]
    image: Image.Image = Image.open(io.BytesIO(body))
    if kind == "wrong_size":
        image = image.resize((image.width + 7, max(1, image.height // 2)))
    elif kind == "gray":
        image = image.convert("L")
    elif kind == "rgba":
        image = image.convert("RGBA")
    else:
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return status, [(b"content-type", b"image/png")], stream.getvalue()


def odd_json(rng: random.Random, answer: Answer) -> Answer:
    """Give another body in place of a JSON answer, or change one member anywhere in it; status and headers stay."""
    status, headers, body = answer
    try:
        content = json.loads(body)
    except ValueError:
        return status, headers, rng.choice(ODD_BODIES)
    changes = _changes(content, rng)
    if not changes or rng.random() < 0.3:
        return status, headers, rng.choice(ODD_BODIES)
    rng.choice(changes)()
    return status, headers, json.dumps(content).encode()


def _changes(content: Any, rng: random.Random) -> list[Callable[[], None]]:
    """List what can be done to a document: for each member or item taking it away, or giving it an odd value."""
    places = list(content) if isinstance(content, dict) else list(range(len(content))) if content else []
    found: list[Callable[[], None]] = []
    for place in places:
        odd = copy.deepcopy(rng.choice(_ODD_VALUES))
        found.append(lambda place=place, odd=odd: content.__setitem__(place, odd))  # type: ignore[misc]
        found.append(lambda place=place: content.__delitem__(place))  # type: ignore[misc]
        if isinstance(content[place], dict | list):
            found += _changes(content[place], rng)
    return found
