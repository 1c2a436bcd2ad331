"""The demo's main job: refine one annotation over real HTTP, show what came out, keep serving.

Everything it makes lies in one folder, ``out/demo`` by default:

``picture.png``
    The window, the box, the points, the old and the new outline.
``refined.geojson``
    The new outline as the service gives it: a Feature in the platform frame, origin bottom left, y up.
``result.json``
    The service's ``RefineResult``, plus ``iou_before`` and ``iou_after`` against the drawn truth, or null.
``connection.json``
    Only for its owner's eyes, and only while the demo serves. ``service_url`` (without the prefix), ``base_path``,
    ``core_url``, ``pims_url``; ``secret_header`` and ``shared_secret``, the header that every request carries;
    ``project`` (id, name); ``images`` (each: id, width, height, name, path); ``annotations``, ids to try,
    ``sample_annotation`` and ``sample_points``; ``users``, two of them, and ``manager``, each with id, username,
    public_key and private_key.
``data``
    The embedded Cytomine's database and slides; they survive a restart.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import shapely
from PIL import Image
from rich.console import Console

from app.geometry.frames import flip_geometry
from app.geometry.polygons import iou
from demo import report
from demo.cytomine.server import EmbeddedCytomine
from demo.front import Front
from demo.picture import Picture, draw_picture
from demo.samples import Sample
from demo.seeding import PROJECT, Seeded, SeededImage, seed, seed_tissue
from demo.service import SECRET_HEADER, Service, running_service

_PICTURE_PX = 1024


class PortTaken(RuntimeError):
    """Something listens there already."""


class Unwritable(RuntimeError):
    """Results cannot be kept there."""


def run(
    port: int, *, once: bool, slide: Path | None, out: Path, console: Console, published: bool = False
) -> dict[str, Any]:
    """Do the demo's main job.

    Parameters
    ----------
    port : int
        Of the service; the embedded Cytomine takes the next one.
    once : bool
        Stop after the picture in place of serving until Ctrl-C.
    slide : Path, optional
        A slide of the user; default: a drawn one, whose truth is known.
    out : Path
        Where everything is written.
    published : bool
        Whether the embedded Cytomine, page included, is reached through a container's published port.

    Returns
    -------
    dict
        What ``result.json`` holds.

    Raises
    ------
    PortTaken, ServiceDidNotStart, NotASlide, Unwritable, FileNotFoundError
    """
    signal.signal(signal.SIGTERM, _interrupt)
    data = out / "data"
    _make(data)
    for each in (port, port + 1):
        _check_free(each)
    with ExitStack() as stack:
        front = Front(f"http://127.0.0.1:{port}/sam", published=published)
        cytomine = stack.enter_context(
            EmbeddedCytomine(
                data,
                port=port + 1,
                host="0.0.0.0" if published else "127.0.0.1",  # noqa: S104  the container's only way in
                refine_url=front.service_url,
                extend=front.extend,
            )
        )
        seeded, image, sample = seed(cytomine, data, slide)
        first = (seed_tissue(cytomine, data, seeded) if slide is None else None) or image
        with console.status("Starting the refine service"):
            keys = (seeded.service.public_key, seeded.service.private_key)
            service = stack.enter_context(
                running_service(port, cytomine.base_url, keys, seeded.secret, data / "service.log")
            )
        connection = out / "connection.json"
        _write_private(connection, _connection(service, cytomine, seeded, image))
        stack.callback(connection.unlink, missing_ok=True)
        result = _refine(service, cytomine, seeded, image, sample, out)
        health = httpx.get(f"{service.url}/health", trust_env=False).json()
        report.show(console, result, image.microns_per_pixel, sample.kind, health, out)
        if not once:
            front.open(seeded, first.id, first.annotations, result["timings_ms"])
            viewer = cytomine.base_url if front.has_page else None
            report.invite(console, viewer, service, cytomine.base_url, cytomine.pims_url, image, connection)
            _serve(service)
    return result


def _refine(
    service: Service, cytomine: EmbeddedCytomine, seeded: Seeded, image: SeededImage, sample: Sample, out: Path
) -> dict[str, Any]:
    """Refine the sample and write what came out."""
    answer = service.refine(seeded.sample)
    if answer.status_code != 200:
        raise RuntimeError(f"The service answered {answer.status_code}: {answer.text}")
    result: dict[str, Any] = answer.json()
    new = flip_geometry(shapely.from_wkt(result["location"]), image.height)
    if sample.truth is None:
        result |= {"iou_before": None, "iou_after": None}
    else:
        result |= {"iou_before": iou(sample.shape, sample.truth), "iou_after": iou(new, sample.truth)}
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "refined.geojson").write_text(json.dumps(result["geojson"]) + "\n")
    window = result["window"]
    box = (window["x"], window["y"], window["width"], window["height"])
    pixels = _window_pixels(cytomine, image, box)
    title = f"{image.name}: {sample.kind}, score {result['score']:.2f}"
    if result["iou_after"] is not None:
        title += f", IoU {result['iou_before']:.2f} to {result['iou_after']:.2f}"
    picture = Picture(box, pixels, sample.shape, new, sample.points, sample.truth)
    draw_picture(picture, title, out / "picture.png")
    return result


def _window_pixels(cytomine: EmbeddedCytomine, image: SeededImage, box: tuple[int, int, int, int]) -> bytes:
    """Fetch the part of a window that lies on the slide, and pad the rest white."""
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image.width), min(y + height, image.height)
    region = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    length = min(_PICTURE_PX, max(right - left, bottom - top))
    answer = httpx.post(
        f"{cytomine.pims_url}/image/{quote(image.path)}/window",
        json={"region": region, "length": max(length, 2)},
        headers={"Accept": "image/png"},
        trust_env=False,
        timeout=60,
    )
    answer.raise_for_status()
    if (left, top, right - left, bottom - top) == box:
        return answer.content
    part = Image.open(io.BytesIO(answer.content)).convert("RGB")
    scale = part.width / (right - left)
    whole = Image.new("RGB", (round(width * scale), round(height * scale)), (255, 255, 255))
    whole.paste(part, (round((left - x) * scale), round((top - y) * scale)))
    stream = io.BytesIO()
    whole.save(stream, "PNG")
    return stream.getvalue()


def _connection(service: Service, cytomine: EmbeddedCytomine, seeded: Seeded, image: SeededImage) -> dict[str, Any]:
    shown = ("id", "width", "height", "name", "path")
    images = sorted(seeded.images.values(), key=lambda each: each.id != image.id)
    return {
        "service_url": service.url,
        "base_path": "/sam",
        "core_url": cytomine.base_url,
        "pims_url": cytomine.pims_url,
        "secret_header": SECRET_HEADER,
        "shared_secret": seeded.secret,
        "project": {"id": seeded.project, "name": PROJECT},
        "images": [{name: getattr(each, name) for name in shown} for each in images],
        "sample_annotation": seeded.sample,
        "sample_points": seeded.sample_points,
        "annotations": [number for each in images for number in each.annotations],
        "users": [asdict(user) for user in seeded.users],
        "manager": asdict(seeded.manager),
    }


def _write_private(file: Path, content: dict[str, Any]) -> None:
    """Write keys so that only the owner can read them."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{folder} cannot be written ({error.strerror}): choose another folder with --out.") from error


def _check_free(port: int) -> None:
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError as error:
        raise PortTaken(
            f"Port {port} is taken. Choose another one with --port, or make demo PORT=...;"
            " the embedded Cytomine takes the port after it."
        ) from error


def _serve(service: Service) -> None:
    """Stay until Ctrl-C, a SIGTERM, or the service's end."""
    try:
        while service.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        return
    raise RuntimeError("The service has stopped by itself; see data/service.log.")


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
