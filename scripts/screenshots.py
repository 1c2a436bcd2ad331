"""Make the documentation's screenshots of the viewer, each in a fresh profile, on the demo with the embedded model.

``python -m scripts.screenshots`` makes all of them in ``docs/images``; names select some, ``--out`` names a folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import shapely
import typer
from PIL import Image

from bench.commands import program
from demo.samples import loose_box
from demo.seeding import SeededImage
from scripts.pictures import CUT_GLAND, IMAGES, MISSING, stage_with_tissue, viewer_on
from tests.browser.clicking import drag_box, gland, outlining, right_click, too_much
from tests.browser.searching import example, nuclei, panel, searched, sift
from tests.browser.stage import Stage, Viewer

WIDTH_PX = 1120
"""Width of a picture; a phone's is half of that."""
GLASS = shapely.box(3000, 1760, 3150, 1900)
"""A place of the drawn slide without tissue, in the slide frame."""
GLANDS = shapely.box(130, 2, 474, 318)
"""The part of the real tissue that is shown."""
_SEARCH_MS = 300_000
_QUALITY = 82


@dataclass(frozen=True)
class Scene:
    """What is done before a picture is taken, and on which screen and slide."""

    play: Callable[[Viewer, Stage], None]
    tissue: bool = True
    """Real tissue, or the drawn slide, whose objects are known."""
    dark: bool = False
    phone: bool = False


def draw(viewer: Viewer, _: Stage) -> None:
    """Be in the middle of dragging a box around a gland."""
    viewer.open(at=GLANDS, room=1.25)
    viewer.page.keyboard.press("b")
    x0, y0, x1, y1 = CUT_GLAND.bounds
    viewer.page.mouse.move(*viewer.on_screen(x0, y0))
    viewer.page.mouse.down()
    viewer.page.mouse.move(*viewer.on_screen(x1 - 20, y1 - 30), steps=5)


def preview(viewer: Viewer, _: Stage) -> None:
    """Show the first outline of a gland, of which a part is missing."""
    viewer.open(at=GLANDS, room=1.25)
    viewer.page.keyboard.press("b")
    with outlining(viewer):
        drag_box(viewer, CUT_GLAND)


def correction(viewer: Viewer, stage: Stage) -> None:
    """Add the missing part by a click."""
    preview(viewer, stage)
    with outlining(viewer):
        viewer.click_slide(*MISSING)


def background(viewer: Viewer, stage: Stage) -> None:
    """Take away what reaches into a neighbour."""
    truth = gland(stage)
    viewer.open(at=loose_box(truth), room=2.2)
    viewer.page.keyboard.press("b")
    with outlining(viewer) as seen:
        drag_box(viewer, loose_box(truth))
    with outlining(viewer):
        right_click(viewer, *too_much(seen.outline, truth))


def doubtful(viewer: Viewer, stage: Stage) -> None:
    """Draw a box on empty glass."""
    viewer.open(at=shapely.union_all([gland(stage), GLASS]), room=1.6)
    viewer.page.keyboard.press("b")
    with outlining(viewer) as seen:
        drag_box(viewer, GLASS)
    if not (seen.told and seen.told["doubtful"]):
        raise SystemExit("The service does not doubt an outline on empty glass; choose another place.")


def review(viewer: Viewer, stage: Stage) -> None:
    """Review the report of three refines, the least certain first."""
    report = stage.folder / "refined.csv"
    numbers = [example(stage, loose_box(gland(stage, number)), "glands") for number in (3, 11, 25)]
    _refine(stage, numbers, report)
    viewer.open()
    viewer.button("Review…")
    with viewer.page.expect_file_chooser() as chooser:
        viewer.page.get_by_label("A report", exact=False).check()
    chooser.value.set_files(report)
    viewer.button(f"Review {len(numbers)}")
    viewer.page.locator("#review").get_by_text("Confidence").wait_for()


def similar(viewer: Viewer, stage: Stage) -> None:
    """Search for nuclei like one, and sift what was found."""
    near = nuclei(stage, 24)
    number = example(stage, near[0], "nuclei")
    viewer.page.set_default_timeout(_SEARCH_MS)
    viewer.open(at=shapely.union_all(near), annotation=number, room=1.1)
    viewer.page.keyboard.press("s")
    searched(viewer)
    sift(viewer, 0.6)
    if "0 of 0" in (panel(viewer).locator("#similar-shown").text_content() or ""):
        raise SystemExit("The search found nothing; choose another place.")


SCENES = {
    "draw": Scene(draw),
    "preview": Scene(preview),
    "correction": Scene(correction),
    "dark": Scene(correction, dark=True),
    "phone": Scene(correction, phone=True),
    "background": Scene(background, tissue=False),
    "doubtful": Scene(doubtful, tissue=False),
    "review": Scene(review, tissue=False),
    "similar": Scene(similar, tissue=False),
}
"""By the picture's name: ``viewer-NAME.webp``."""


def take(stage: Stage, drawn: SeededImage, tissue: SeededImage, names: Iterable[str], out: Path) -> list[Path]:
    """Play scenes and take their pictures.

    Parameters
    ----------
    stage : Stage
        The running demo.
    drawn, tissue : SeededImage
        Its two slides. All annotations on the one that is shown are removed first.
    names : iterable of str
        Of ``SCENES``.
    out : Path
        Folder of the pictures.

    Returns
    -------
    list of Path
        One WebP file for each name.
    """
    files = []
    for name in names:
        scene = SCENES[name]
        stage.image = tissue if scene.tissue else drawn
        stage.clear()
        size = (390, 844) if scene.phone else (1280, 800)
        with viewer_on(stage, *size, dark=scene.dark, touch=scene.phone, scale=2) as viewer:
            scene.play(viewer, stage)
            files.append(save(viewer, out / f"viewer-{name}.webp", WIDTH_PX // 2 if scene.phone else WIDTH_PX))
            stray = viewer.unexpected()
        if stray:
            raise SystemExit(f"{name}: the browser complained: {stray}")
    return files


def save(viewer: Viewer, file: Path, width: int) -> Path:
    """Take the picture once everything has come to rest; twice the pixels, made smaller, are sharper."""
    viewer.page.wait_for_load_state("networkidle")
    viewer.page.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(viewer.page.screenshot())).convert("RGB")
    file.parent.mkdir(parents=True, exist_ok=True)
    height = round(picture.height * width / picture.width)
    picture.resize((width, height), Image.Resampling.LANCZOS).save(file, quality=_QUALITY, method=6)
    return file


def _refine(stage: Stage, numbers: Iterable[int], report: Path) -> None:
    """Refine annotations and write what a batch's report has of them."""
    service = stage.service
    if service is None:
        raise RuntimeError("the service of the stage does not run")
    with report.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("annotation", "image", "outcome", "confidence", "doubts", "previous_location", "location"))
        for number in numbers:
            told = service.refine(number).raise_for_status().json()
            doubts = "; ".join(told["doubts"])
            places = (told["previous_location"], told["location"])
            rows.writerow((number, stage.image.id, "changed", told["confidence"], doubts, *places))


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(SCENES)}. Default: all.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = IMAGES,
) -> None:
    """Make screenshots of the viewer."""
    if unknown := set(names or ()) - set(SCENES):
        raise typer.BadParameter(f"There is no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}.")
    with stage_with_tissue() as stage:
        drawn = next(each for each in stage.seeded.images.values() if each.id != stage.image.id)
        for file in take(stage, drawn, stage.image, names or SCENES, out):
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    program(main)()
