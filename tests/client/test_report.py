"""The page of ``--report-html``: pictures as the person may see them, and a thousand of them in a browser."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from cytomine_refine import ApiKeyAuth, RefineClient
from cytomine_refine.journal import Row
from cytomine_refine.outlines import Slide
from cytomine_refine.report import Picture, picture_of, write_page
from demo.cytomine.server import EmbeddedCytomine
from tests.lab import BOX, DISC, HEIGHT, Lab, settle

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine")) as cytomine:
        yield settle(cytomine, "report", "http://127.0.0.1:9")


def client_of(lab: Lab, private_key: str = "") -> RefineClient:
    return RefineClient(lab.cytomine.base_url, ApiKeyAuth(lab.alice.public_key, private_key or lab.alice.private_key))


def test_a_picture_shows_the_place_with_both_outlines_on_it(lab: Lab) -> None:
    row = Row(5, lab.image, "changed", previous_location=BOX.wkt, location=DISC.wkt)
    with client_of(lab) as client:
        picture = picture_of(client, row, client.slide(lab.image))
    assert b64decode(picture.jpeg).startswith(b"\xff\xd8")
    assert (picture.width, picture.height) == (222, 222)  # 148 high, and a quarter on each side
    places = [tuple(map(float, place.split(" "))) for place in picture.before.strip("MZ").split("L")]
    left, top = round(BOX.centroid.x - 111), round(HEIGHT - BOX.centroid.y - 111)
    assert {(x + left, HEIGHT - y - top) for x, y in places} == set(BOX.exterior.coords)
    assert picture.after.count("L") == len(DISC.exterior.coords) - 1


def test_a_place_at_the_edge_stays_inside_and_no_right_gives_no_picture(lab: Lab) -> None:
    row = Row(5, lab.image, "changed", location=shapely.box(0, 0, 10, 10).wkt)
    with client_of(lab) as client:
        slide = client.slide(lab.image)
        picture = picture_of(client, row, slide)
        assert picture_of(client, Row(5, lab.image, "failed", problem="no"), slide).width == 0
    assert (picture.width, picture.before, bool(picture.jpeg)) == (24, "", True)
    assert picture.after.startswith("M")
    with client_of(lab, "guessed") as stranger:
        assert picture_of(stranger, row, slide).jpeg == ""


def pictures(count: int) -> Iterator[Picture]:
    slide = Slide(3, "a.svs", 2000, 2000, 7)
    ring = "M10 10L90 10L90 90L10 90Z"
    for number in range(count):
        confidence = None if number % 100 == 50 else round(1 - number / count, 4)
        outcome = "failed" if confidence is None else "changed"
        doubts = ("It comes from a demo.", *(("The model is not sure.",) if number % 2 else ()))
        row = Row(number + 1, 3, outcome, confidence=confidence, doubts=doubts, problem=HOSTILE if number == 50 else "")  # type: ignore[arg-type]
        yield Picture(row, slide, 100, 100, ring, ring if confidence else "")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_thousand_rows_can_be_gone_through_by_keyboard(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    page_file = tmp_path / "report.html"
    write_page(page_file, pictures(1000), title="A & B", host="http://cytomine.example")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if asked.url.startswith("http") else None)
        page.goto(page_file.as_uri())
        expect = api.expect
        expect(page.locator("#count")).to_have_text("1000 of 1000 shown, 0 looked at")
        first = page.locator("article").first
        expect(first.locator("figure")).to_have_count(2)
        assert first.locator(".outcome").inner_text() == "failed"  # what has no confidence comes first
        sure = page.evaluate("cards.map((card) => card.row.confidence).filter((each) => each !== null)")
        assert sure == sorted(sure)
        assert page.locator("#all").inner_text() == "Of every outline here: It comes from a demo."

        page.keyboard.press("j")
        expect(first).to_be_focused()
        page.keyboard.press("x")
        expect(page.locator("#count")).to_have_text("1000 of 1000 shown, 1 looked at")
        expect(page.locator("article").nth(1)).to_be_focused()
        page.keyboard.press("/")
        page.keyboard.type("977")
        expect(page.locator("#count")).to_have_text("1 of 1000 shown, 1 looked at")
        shown = page.locator("article:visible")
        link = "http://cytomine.example/#/project/7/image/3/annotation/977"
        assert shown.locator("a").get_attribute("href") == link
        page.fill("#text", "")
        page.get_by_role("button", name="failed 10").click()
        expect(page.locator("#count")).to_have_text("10 of 1000 shown, 1 looked at")
        assert page.title() == "A & B"
        assert said == []
        chromium.close()
