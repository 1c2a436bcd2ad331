"""The embedded image server's rules, over real HTTP, on a drawn pyramid with a blue box at a known place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt
import pytest
import shapely
import tifffile
from PIL import Image

from demo.cytomine.server import EmbeddedCytomine
from slides import NotASlide, open_slide

WIDTH, HEIGHT = 4096, 3072
X, Y, BOX_WIDTH, BOX_HEIGHT = 100, 200, 300, 100
"""Of the blue box, from the top left."""
BLUE = (0, 0, 255)
PNG = {"Accept": "image/png"}


def write_pyramid(file: Path) -> None:
    """Write the wire capture's test image: a pure blue box on white."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[Y : Y + BOX_HEIGHT, X : X + BOX_WIDTH] = BLUE
    with tifffile.TiffWriter(file) as writer:
        for level in range(4):
            reduced = cv2.resize(pixels, (WIDTH >> level, HEIGHT >> level), interpolation=cv2.INTER_AREA)
            writer.write(
                reduced,
                tile=(256, 256),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                subfiletype=int(level > 0),
            )


@pytest.fixture(scope="module")
def pims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("pims")) as cytomine:
        (cytomine.slides / "up").mkdir()
        write_pyramid(cytomine.slides / "up" / "box.tiff")
        deep = np.tile(np.linspace(0, 60_000, 64).astype(np.uint16), (64, 1))
        tifffile.imwrite(cytomine.slides / "deep.tiff", deep)
        Image.fromarray(np.zeros((10, 10), np.uint8)).save(cytomine.slides / "gray.png")
        ramp = np.tile(np.linspace(1000, 2000, 64).astype(np.uint16), (64, 1))
        tifffile.imwrite(cytomine.slides / "dark.tiff", ramp)
        faint = np.repeat([[100, 120]], 20, axis=1).repeat(10, axis=0).astype(np.uint8)
        Image.fromarray(faint).save(cytomine.slides / "faint.png")
        stack = np.array([[np.full((32, 32), 40 * c + 10 * z + 5, np.uint8) for z in range(3)] for c in range(2)])
        tifffile.imwrite(cytomine.slides / "stack.ome.tiff", stack, metadata={"axes": "CZYX"})
        (cytomine.slides / "text.tiff").write_text("no image")
        (cytomine.slides.parent / "secret.png").write_bytes((cytomine.slides / "gray.png").read_bytes())
        yield cytomine.pims_url


def window(pims: str, body: Any, path: str = "up/box.tiff", **headers: str) -> httpx.Response:
    """Ask for a window."""
    url = f"{pims}/image/{path}/window"
    return httpx.post(url, json=body, headers={**PNG, **headers}, timeout=60, trust_env=False)


def region(left: float, top: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    """Shape a request."""
    return {"region": {"left": left, "top": top, "width": width, "height": height}, "level": 0, **more}


def pixels(answer: httpx.Response) -> npt.NDArray[Any]:
    """Decode an answer."""
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        return np.asarray(image)


def test_the_top_counts_from_the_top(pims: str) -> None:
    exact = pixels(window(pims, region(X, Y, BOX_WIDTH, BOX_HEIGHT)))
    assert exact.shape == (BOX_HEIGHT, BOX_WIDTH, 3)
    assert (exact == BLUE).all()
    around = pixels(window(pims, region(X - 1, Y - 1, BOX_WIDTH + 2, BOX_HEIGHT + 2)))
    blue = (around == BLUE).all(2)
    assert blue[1:-1, 1:-1].all()
    assert blue.sum() == BOX_WIDTH * BOX_HEIGHT


@pytest.mark.parametrize("length", [400, 200, 100, 77])
def test_reduced_windows_lie_where_they_should(pims: str, length: int) -> None:
    found = pixels(window(pims, {**region(0, 0, 800, 600), "level": None, "length": length}))
    assert found.shape[:2] == (round(length * 0.75), length)
    share = (255 - found[..., 0].astype(float)) / 255
    rows, columns = np.indices(share.shape) + 0.5
    scale, scale_y = 800 / length, 600 / share.shape[0]
    assert (columns * share).sum() / share.sum() * scale == pytest.approx(X + BOX_WIDTH / 2, abs=0.1 * scale)
    assert (rows * share).sum() / share.sum() * scale_y == pytest.approx(Y + BOX_HEIGHT / 2, abs=0.1 * scale)
    assert share.sum() * scale * scale_y == pytest.approx(BOX_WIDTH * BOX_HEIGHT, rel=0.02)


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ({"level": 1}, (300, 400)),
        ({"zoom": 0}, (75, 100)),
        ({"level": 1, "length": 50}, (300, 400)),
        ({"height": 30, "width": 90}, (30, 40)),
        ({"width": 80}, (60, 80)),
        ({"length": 1}, (600, 800)),
        ({"length": 0.5}, (300, 400)),
        ({"length": 1600}, (1200, 1600)),
    ],
    ids=str,
)
def test_which_size_counts(pims: str, size: dict[str, Any], shape: tuple[int, int]) -> None:
    body = {"region": region(0, 0, 800, 600)["region"], **size}
    assert pixels(window(pims, body)).shape[:2] == shape


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (region(WIDTH - 9, 0, 10, 10), 400),
        (region(0, HEIGHT - 9, 10, 10), 400),
        (region(-1, 0, 10, 10), 422),
        (region(0.5, 0, 10, 10), 422),
        (region(0, 0, 0, 10), 422),
        ({"region": {"left": 0, "top": 0, "width": 9, "height": 9}}, 400),
        ({"level": 0}, 422),
        (region(0, 0, 9, 9, level=99), 400),
        ({**region(0, 0, 9, 9), "level": None, "length": 0}, 422),
        ({**region(0, 0, 9, 9), "level": None, "length": 12_000}, 400),
        ([], 422),
    ],
    ids=str,
)
def test_refusals(pims: str, body: Any, status: int) -> None:
    answer = window(pims, body)
    assert answer.status_code == status
    assert set(answer.json()) & ({"detail"} if status == 422 else {"title"})


def test_formats(pims: str) -> None:
    body = region(0, 0, 9, 9)
    url = f"{pims}/image/up/box.tiff/window"
    for accept, status in (("*/*", 406), ("application/json", 406), ("image/tiff", 406), ("image/webp", 200)):
        assert window(pims, body, Accept=accept).status_code == status
    weighted = window(pims, body, Accept="image/png, image/jpeg;q=0.5")
    assert weighted.headers["content-type"] == "image/jpeg"
    assert httpx.post(f"{url}.png", json=body, trust_env=False).headers["content-type"] == "image/png"
    assert httpx.post(f"{url}.tif", json=body, trust_env=False).status_code == 422
    assert httpx.get(url, headers=PNG, trust_env=False).status_code == 405
    assert (
        httpx.post(url, content=b"{}", headers={**PNG, "Content-Type": "text/plain"}, trust_env=False).status_code
        == 422
    )


def test_size_safety(pims: str) -> None:
    body = {"region": region(0, 0, 40, 20)["region"], "length": 12_000}
    rejected = window(pims, body, **{"X-Image-Size-Safety": "SAFE_REJECT"})
    assert (rejected.status_code, rejected.json()["max_size"]) == (400, 10_000)
    resized = window(pims, body, **{"X-Image-Size-Safety": "SAFE_RESIZE"})
    assert "safe_width=10000,safe_height=5000" in resized.headers["x-image-size-limit"]
    assert window(pims, body, **{"X-Image-Size-Safety": "PERHAPS"}).status_code == 422


def test_files(pims: str) -> None:
    missing = window(pims, region(0, 0, 9, 9), "none.tiff")
    assert (missing.status_code, missing.json()["title"]) == (404, "Filepath not found")
    assert window(pims, region(0, 0, 9, 9), "text.tiff").status_code == 400
    assert window(pims, region(0, 0, 9, 9), "up%2Fbox.tiff").status_code == 200
    for path in ("..%2Fsecret.png", "up%2F..%2F..%2Fsecret.png"):
        assert window(pims, region(0, 0, 9, 9), path).status_code == 404


def test_sixteen_bits(pims: str) -> None:
    body = region(0, 0, 64, 64)
    assert pixels(window(pims, body, "deep.tiff")).max() == 60_000
    with Image.open(io.BytesIO(window(pims, body, "deep.tiff", Accept="image/jpeg").content)) as image:
        assert (image.mode, abs(int(np.asarray(image).max()) - 234) < 6) == ("L", True)
    assert pixels(window(pims, region(0, 0, 9, 9), "gray.png")).ndim == 2


def test_caching(pims: str) -> None:
    first = window(pims, region(0, 0, 9, 9))
    again = window(pims, region(0, 0, 9, 9), **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert window(pims, region(0, 0, 9, 8), **{"If-None-Match": first.headers["etag"]}).status_code == 200


@pytest.mark.parametrize(("origin", "top"), [("LEFT_TOP", Y), ("LEFT_BOTTOM", HEIGHT - Y - BOX_HEIGHT)])
def test_annotations(pims: str, origin: str, top: int) -> None:
    wkt = shapely.box(X, top, X + BOX_WIDTH, top + BOX_HEIGHT).wkt
    headers = {**PNG, "X-Annotation-Origin": origin}

    def ask(kind: str, annotation: dict[str, Any], **more: Any) -> npt.NDArray[Any]:
        body = {"annotations": [{"geometry": wkt, **annotation}], "level": 0, **more}
        url = f"{pims}/image/up/box.tiff/annotation/{kind}"
        return pixels(httpx.post(url, json=body, headers=headers, trust_env=False))

    crop = ask("crop", {})
    assert crop.shape == (BOX_HEIGHT, BOX_WIDTH, 4)
    assert (crop[2:-2, :, :3] == BLUE).all()
    mask = ask("mask", {}, context_factor=2.0)
    assert mask.shape == (2 * BOX_HEIGHT, 2 * BOX_WIDTH)
    assert mask[BOX_HEIGHT, BOX_WIDTH] == 255
    assert mask[2, 2] == 0
    assert ask("mask", {"fill_color": "#ff0000"})[50, 50].tolist() == [255, 0, 0]
    assert ask("crop", {}, context_factor=2.0, background_transparency=100)[2, 2, 3] == 0
    drawing = ask("drawing", {"stroke_color": "#ff0000"}, context_factor=1.5, try_square=True)
    assert drawing.shape == (450, 450, 3)
    assert (drawing == (255, 0, 0)).all(2).any()
    broken = {"annotations": {"geometry": "POLYGON ((0"}, "level": 0}
    url = f"{pims}/image/up/box.tiff/annotation/mask"
    assert httpx.post(url, json=broken, headers=headers, trust_env=False).json()["reason"] == "WKT reading error"


def test_tiles_make_up_the_slide(pims: str) -> None:
    url = f"{pims}/image/up/box.tiff/normalized-tile/zoom"
    tile = pixels(httpx.get(f"{url}/4/ti/0.jpg", trust_env=False))
    assert tile.shape == (256, 256, 3)
    assert abs(tile[Y + 20, X + 50].astype(int) - BLUE).max() < 12
    assert (
        pixels(httpx.get(f"{url}/4/tx/1/ty/0.jpg", trust_env=False))
        == pixels(httpx.get(f"{url}/4/ti/1.jpg", trust_env=False))
    ).all()
    assert pixels(httpx.get(f"{url}/0/ti/0.jpg", trust_env=False)).shape == (192, 256, 3)
    assert httpx.get(f"{url}/5/ti/0.jpg", trust_env=False).status_code == 400


def test_facts(pims: str) -> None:
    assert httpx.get(f"{pims}/ping", trust_env=False).json() == {"ping": "pong"}
    assert httpx.get(f"{pims}/info", trust_env=False).json()["settings"]["output_size_limit"] == 10_000
    image = httpx.get(f"{pims}/image/up/box.tiff/info", trust_env=False).json()
    assert (image["image"]["width"], image["representations"][0]["pyramid"]["n_tiers"]) == (WIDTH, 4)
    thumb = httpx.get(f"{pims}/image/up/box.tiff/thumb?length=128", headers=PNG, trust_env=False)
    assert pixels(thumb).shape == (96, 128, 3)
    assert httpx.get(f"{pims}/image/up/box.tiff/metadata", trust_env=False).json() == {"items": []}


def test_no_slide_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"nothing")
    with pytest.raises(NotASlide, match=r"a\.svs"):
        open_slide(tmp_path / "a.svs")
    with pytest.raises(FileNotFoundError):
        open_slide(tmp_path / "b.svs")


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"z_slices": 1}, "No valid indexes for z_slices"),
        ({"timepoints": 1}, "No valid indexes for timepoints"),
        ({"channels": 7}, "No valid indexes for channels"),
        ({"channels": [3, 9]}, "No valid indexes for channels"),
        ({"channels": "x"}, "x is not a valid index or range for channels."),
    ],
)
def test_planes_that_are_not_there(pims: str, body: dict[str, Any], details: str) -> None:
    answer = window(pims, region(0, 0, 9, 9, **body))
    assert (answer.status_code, answer.json()) == (400, {"title": "Bad Request", "details": details})


@pytest.mark.parametrize(
    ("channels", "colour"),
    [(0, (255, 0, 0)), ([0], (255, 0, 0)), ([1, 2], (0, 255, 255)), ("1:", (0, 255, 255)), ([0, 9], (255, 0, 0))],
)
def test_channels_of_rgb_keep_their_colour(pims: str, channels: Any, colour: tuple[int, ...]) -> None:
    white = pixels(window(pims, region(0, 0, 9, 9, channels=channels)))
    assert white.shape == (9, 9, 3)
    assert (white == colour).all()


def test_each_plane_of_a_stack(pims: str) -> None:
    for channel in range(2):
        for z in range(3):
            body = region(0, 0, 9, 9, channels=channel, z_slices=z, timepoints=0)
            assert (pixels(window(pims, body, "stack.ome.tiff")) == 40 * channel + 10 * z + 5).all()
    default = pixels(window(pims, region(0, 0, 9, 9, channels=1), "stack.ome.tiff"))
    assert (default == 65).all()  # the middle depth, rounded
    several = window(pims, region(0, 0, 9, 9, channels=1, z_slices=[0, 1]), "stack.ome.tiff")
    assert several.json()["details"] == "A reduction is required for z_slices"
    told = httpx.get(f"{pims}/image/stack.ome.tiff/info", trust_env=False).json()["image"]
    assert (told["n_channels"], told["depth"], told["duration"], told["n_planes"]) == (2, 3, 1, 6)


def test_sixteen_bits_are_dark_unless_contrast_is_asked_for(pims: str) -> None:
    body = region(0, 0, 64, 64)

    def shown(accept: str = "image/png", **more: Any) -> npt.NDArray[Any]:
        return pixels(window(pims, {**body, **more}, "dark.tiff", Accept=accept))

    assert shown().max() == 2000
    assert shown("image/jpeg").max() < 12
    for word in ("AUTO_IMAGE", "AUTO_PLANE", "STRETCH_IMAGE", "STRETCH_PLANE"):
        both = {"min_intensities": word, "max_intensities": word}
        assert (shown(**both).min(), shown(**both).max()) == (0, 65535)
        assert shown("image/jpeg", **both).max() > 250
    numbers = shown(min_intensities=1500, max_intensities=[1750])
    assert (numbers[0, 0], numbers[0, -1]) == (0, 65535)
    assert 30_000 < numbers[0, 40] < 36_000  # 1000 + 40 * 1000 / 63
    assert shown(max_intensities=10**9).max() == 2000


def test_eight_bits_are_stretched_on_request_only(pims: str) -> None:
    body = region(0, 0, 9, 9)
    automatic = {"min_intensities": "AUTO_IMAGE", "max_intensities": "AUTO_IMAGE"}
    stretched = {"min_intensities": "STRETCH_IMAGE", "max_intensities": "STRETCH_IMAGE"}
    assert (pixels(window(pims, {**body, **automatic}, "faint.png")) == 100).all()
    wide = {**body, "region": region(0, 0, 40, 10)["region"]}
    assert np.unique(pixels(window(pims, {**wide, **stretched}, "faint.png"))).tolist() == [0, 255]


@pytest.mark.parametrize("intensity", ["auto", -1, 0.5, ["NONE"]])
def test_intensities_that_are_none(pims: str, intensity: Any) -> None:
    answer = window(pims, region(0, 0, 9, 9, max_intensities=intensity))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "max_intensities"]
    many = window(pims, region(0, 0, 9, 9, max_intensities=[1, 2]))
    assert many.status_code == 400


def test_thumbs_are_shown_in_contrast_and_resized_as_they_are(pims: str) -> None:
    thumb = pixels(httpx.get(f"{pims}/image/dark.tiff/thumb.png", trust_env=False))
    resized = pixels(httpx.get(f"{pims}/image/dark.tiff/resized.png", trust_env=False))
    assert (thumb.dtype, thumb.max()) == (np.uint8, 255)
    assert resized.max() == 2000


def test_crops_and_masks_are_not_squared(pims: str) -> None:
    annotation = {"geometry": shapely.box(X, Y, X + 100, Y + 80).wkt}
    for kind in ("crop", "mask"):
        body = {"annotations": [annotation], "level": 0, "try_square": True}
        url = f"{pims}/image/up/box.tiff/annotation/{kind}"
        assert pixels(httpx.post(url, json=body, headers=PNG, trust_env=False)).shape[:2] == (80, 100)
