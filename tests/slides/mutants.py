"""Mutated slide files, and a program that looks at files as the demo and the training do, one line for each.

``python -m tests.slides.mutants FOLDER`` reads names of files in the folder from its input.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from app.geometry.windows import window_at
from demo.cytomine.pims import Pims, PimsAnswer
from tests.slides.dicom import dicom
from tests.slides.writing import aperio, gray, ome_pyramid, pyramid, tissue
from training.dataset.sources.files import open_pixels
from training.errors import BrokenSource

_MEMORY_BYTES = 4 * 1024**3
_ODD = (b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x01\0\0\0")


def exif_jpeg(file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(tissue()).save(file, exif=exif)


SEEDS: dict[str, Callable[[Path], None]] = {
    "pages.tif": lambda file: pyramid(file, tissue(512, 384), tile=128),
    "jpeg.tif": lambda file: pyramid(file, tissue(512, 384), tile=128, compression="jpeg"),
    "lzw.tif": lambda file: pyramid(file, tissue(512, 384), tile=128, compression="lzw", predictor=True),
    "sub.ome.tif": lambda file: ome_pyramid(file, tissue(512, 384), PhysicalSizeX=0.5),
    "stack.ome.tif": lambda file: tifffile.imwrite(file, np.stack([gray()] * 6).reshape(2, 3, 160, 240), ome=True,
                                                   photometric="minisblack", metadata={"axes": "CZYX"}),
    "imagej.tif": lambda file: tifffile.imwrite(file, np.stack([gray()] * 4), imagej=True),
    "scanner.svs": lambda file: aperio(file, tissue(480, 320)),
    "frames.dcm": lambda file: dicom(file, tissue(480, 320)),
    "deep.tif": lambda file: tifffile.imwrite(file, gray().astype(np.uint16) * 9, photometric="minisblack",
                                              compression="deflate", rowsperstrip=16),
    "floats.tif": lambda file: tifffile.imwrite(file, gray().astype(np.float32), tile=(64, 64), compression="deflate"),
    "big.tif": lambda file: tifffile.imwrite(file, np.moveaxis(tissue(), 2, 0), bigtiff=True, byteorder=">",
                                             photometric="rgb", planarconfig="separate", tile=(64, 64)),
    "palette.tif": lambda file: Image.fromarray(tissue()).quantize(8).save(file),
    "lying.jpg": exif_jpeg,
    "a.png": lambda file: Image.fromarray(tissue()).save(file),
    "deep.png": lambda file: Image.fromarray(gray().astype(np.uint16) * 99).save(file),
    "a.webp": lambda file: Image.fromarray(tissue()).save(file),
    "a.bmp": lambda file: Image.fromarray(tissue()).save(file),
    "a.jp2": lambda file: Image.fromarray(tissue()).save(file),
}  # fmt: skip


def mutated(content: bytes, seed: int) -> bytes:
    """Change a file: a few bytes, mostly where its structure lies; cut it off; copy parts of it elsewhere."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        ends = rng.random() < 0.7
        place = rng.randrange(min(len(data), 600)) if ends else rng.randrange(len(data))
        if ends and rng.random() < 0.3:
            place = len(data) - 1 - place
        way = rng.random()
        if way < 0.4:
            data[place] ^= 1 << rng.randrange(8)
        elif way < 0.8:
            odd = rng.choice(_ODD)
            data[place : place + len(odd)] = odd
        elif way < 0.9:
            start = rng.randrange(len(data))
            part = data[start : start + rng.randrange(1, 400)]
            data[place : place + len(part)] = part
        elif len(data) > 100:
            del data[rng.randrange(50, len(data)) :]
    return bytes(data)


def mutant(folder: Path, number: int) -> str:
    """Write one mutant; gives its name."""
    names = list(SEEDS)
    name = names[number % len(names)]
    seed = folder / "seeds" / name
    if not seed.exists():
        seed.parent.mkdir(exist_ok=True)
        SEEDS[name](seed)
    file = folder / f"{number:05d}-{name}"
    file.write_bytes(mutated(seed.read_bytes(), number))
    return file.name


def looked_at(pims: Pims, name: str) -> list[str]:
    """Ask for a slide as people, the service and the training do; gives what came, and complains of silence."""
    info = pims.info(name)
    told = [_told(name, info)]
    if info.status != 200:
        return [*told, _trained(pims.root / name)]
    image = json.loads(info.body)["image"]
    width, height = image["width"], image["height"]
    side = min(64, width, height)
    told.append(_told(name, pims.tile(name, 0, None, None, 0)))
    told.append(_told(name, pims.reduced(name, {"length": 64}, accept="image/png", png_first=True)))
    for left, top in ((0, 0), ((width - side) // 2, (height - side) // 2), (width - side, height - side)):
        body = {"region": {"left": left, "top": top, "width": side, "height": side}, "length": side}
        contrast = {"min_intensities": "AUTO_IMAGE", "max_intensities": "AUTO_IMAGE"}
        told.append(_told(name, pims.window(name, {**body, **contrast}, accept="image/png")))
    return [*told, _trained(pims.root / name)]


def _told(name: str, answer: PimsAnswer) -> str:
    """Make sure that a refusal has its reason, and names no folder of this machine."""
    if answer.status == 200:
        return "damaged" if "X-Damaged-Regions" in answer.headers else "shown"
    problem = json.loads(answer.body)
    assert answer.status in {400, 500}, problem
    assert problem["title"], problem
    assert problem["details"], problem
    assert name.rpartition("/")[2] in problem["details"] or "zoom" in problem["details"].lower(), problem
    return str(answer.status)


def _trained(file: Path) -> str:
    try:
        pixels = open_pixels(file)
        window = window_at(0, 0, min(64, pixels.width, pixels.height), pixels.width, pixels.height)
        return f"trained {pixels.read(window, 1024).shape}"
    except BrokenSource as error:
        return "not trained" if str(error) else "not trained, and nobody knows why"


def main(folder: Path) -> None:
    """Look at files until there are no more."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    pims = Pims(folder)
    for line in sys.stdin:
        name, begun = line.strip(), time.process_time()
        found: dict[str, object] = {"name": name}
        try:
            found["told"] = looked_at(pims, name)
        except Exception as error:  # the test wants to hear of all of them
            found["failed"] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        found["cpu_s"] = time.process_time() - begun
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
