"""The slides of the project, and one's own."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image

from tests.browser.stage import MAX_SLIDE_BYTES, Stage, Viewer
from tests.browser.test_problems import refused

pytest.importorskip("playwright")
from playwright.sync_api import expect

DROP = """([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const kind of ['dragover', 'drop']) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def discs() -> np.ndarray:
    """Draw dark discs on pink ground."""
    rng = np.random.default_rng(3)
    pixels = np.full((900, 1400, 3), (236, 200, 222), np.uint8)
    for x in range(200, 1400, 300):
        cv2.circle(pixels, (x, 450), 80, (92, 58, 140), -1, cv2.LINE_AA)
    return np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


def tiled_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, discs(), tile=(256, 256), photometric="rgb", compression="jpeg")
    return stream.getvalue()


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(discs()).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.long
@pytest.mark.parametrize(("name", "make"), [("my slide.tif", tiled_tiff), ("discs.png", png)], ids=["tiff", "png"])
def test_ones_own_slide(viewer: Viewer, stage: Stage, name: str, make: object) -> None:
    viewer.open()
    viewer.page.evaluate(DROP, [name, base64.b64encode(make()).decode()])  # type: ignore[operator]
    viewer.status("Slide added")
    expect(viewer.page.locator("#slide-name")).to_have_text(name.replace(" ", "_"))
    viewer.button("Circle")
    viewer.drag_slide((500, 450), (610, 450))
    viewer.button("Select")
    viewer.button("Refine with SAM")
    viewer.status("refine")
    disc = shapely.Point(500, 450).buffer(80)
    location = stage.cytomine.store.location(viewer.selected())
    refined = shapely.transform(shapely.from_wkt(location), lambda xy: xy * (1, -1) + (0, 900))
    assert refined.intersection(disc).area / refined.union(disc).area > 0.85
    viewer.screenshot(f"own-slide-{name.rpartition('.')[2]}")


def test_the_picker_shows_all_slides(viewer: Viewer, stage: Stage) -> None:
    viewer.open()
    viewer.page.evaluate(DROP, ["picked.png", base64.b64encode(png()).decode()])
    viewer.status("Slide added")
    viewer.page.get_by_role("button", name="picked.png").click()
    dialog = viewer.page.get_by_role("dialog", name="Slides")
    expect(dialog.get_by_role("img")).to_have_count(0)  # thumbnails say nothing that the names do not
    for each in dialog.locator("img").all():
        each.scroll_into_view_if_needed()
        expect(each).to_have_js_property("complete", True)
        assert each.evaluate("image => image.naturalWidth") > 50
    viewer.screenshot("slides")
    dialog.get_by_role("button", name="drawn-7.tiff").click()
    expect(viewer.page.locator("#slide-name")).to_have_text("drawn-7.tiff")
    assert f"/image/{stage.image.id}" in viewer.page.url


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("letter.svs", b"Dear reader, this is a text and no slide at all.", "This file is not a slide"),
        ("broken.tif", tiled_tiff()[:20_000], "not a slide|cannot be read"),
        ("broken.png", png()[:30_000], "not a slide|cannot be read"),
    ],
    ids=["text", "half a TIFF", "half a PNG"],
)
def test_what_is_no_slide_is_refused(viewer: Viewer, stage: Stage, name: str, content: bytes, title: str) -> None:
    import re

    viewer.expected = refused(422)
    viewer.open()
    before = sorted(each.name for each in stage.cytomine.slides.iterdir())
    viewer.page.evaluate(DROP, [name, base64.b64encode(content).decode()])
    viewer.page.get_by_role("alert").filter(has_text=re.compile(title)).wait_for()
    viewer.screenshot(f"refused-{name}")
    assert sorted(each.name for each in stage.cytomine.slides.iterdir()) == before
    expect(viewer.page.locator("#slide-name")).to_have_text("drawn-7.tiff")


def test_a_file_too_large_is_not_even_sent(viewer: Viewer, stage: Stage) -> None:
    viewer.open()
    stage.cytomine.faults.clear()
    viewer.page.evaluate(
        "(size) => { const t = new DataTransfer(); t.items.add(new File([new Uint8Array(size)], 'huge.tif'));"
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: t, bubbles: true, cancelable: true })); }",
        MAX_SLIDE_BYTES + 1,
    )
    viewer.alert("8 MiB")
    assert not [seen for seen in stage.cytomine.faults.requests if seen.path.startswith("/demo/slides")]
