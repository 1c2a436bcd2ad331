"""Record the README's moving picture from the real viewer: draw a box, look, correct by a click, accept.

``python -m scripts.record_demo`` writes ``docs/images/demo.webp``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import typer
from PIL import Image, ImageDraw

from bench.commands import program
from scripts.pictures import CUT_GLAND, IMAGES, MISSING, stage_with_tissue, viewer_on
from tests.browser.clicking import outlining
from tests.browser.stage import Viewer

MOST_BYTES = 1_500_000
WIDTH, HEIGHT = 1100, 680
_STEPS = 8
"""Frames of a drag."""
_ARROW = ((0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12))


@dataclass
class Recorder:
    """Takes frames, draws the pointer that screenshots lack, and writes them as an animation."""

    viewer: Viewer
    frames: list[Image.Image] = field(default_factory=list)
    durations_ms: list[int] = field(default_factory=list)
    pointer: tuple[float, float] = (0, 0)

    def take(self, duration_ms: int) -> None:
        """Show what is seen now for a while."""
        picture = Image.open(io.BytesIO(self.viewer.page.screenshot())).convert("RGB")
        arrow = [(self.pointer[0] + x, self.pointer[1] + y) for x, y in _ARROW]
        ImageDraw.Draw(picture).polygon(arrow, fill="white", outline="black")
        self.frames.append(picture)
        self.durations_ms.append(duration_ms)

    def move(self, place: tuple[float, float], steps: int = 1, duration_ms: int = 70) -> None:
        """Move the pointer to a place of the slide, frame by frame."""
        x, y = self.viewer.on_screen(*place)
        x0, y0 = self.pointer
        for step in range(1, steps + 1):
            self.pointer = (x0 + (x - x0) * step / steps, y0 + (y - y0) * step / steps)
            self.viewer.page.mouse.move(*self.pointer)
            self.take(duration_ms)

    def write(self) -> int:
        """Write the animation; gives its size in bytes."""
        path = IMAGES / "demo.webp"
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=self.durations_ms, loop=0, quality=62, method=6)
        return path.stat().st_size


def record(viewer: Viewer) -> int:
    """Play the scene."""
    viewer.open(at=CUT_GLAND.union(CUT_GLAND.buffer(60)), room=1.15)
    recorder = Recorder(viewer, pointer=(WIDTH * 0.55, HEIGHT * 0.7))
    mouse, (x0, y0, x1, y1) = viewer.page.mouse, CUT_GLAND.bounds
    recorder.take(1200)
    viewer.page.keyboard.press("b")
    recorder.move((x0, y0), 4)
    mouse.down()
    recorder.move((x1, y1), _STEPS)
    with outlining(viewer):
        mouse.up()
    recorder.take(2200)
    recorder.move(MISSING, 6)
    with outlining(viewer):
        mouse.click(*recorder.pointer)
    recorder.take(2200)
    viewer.page.keyboard.press("Enter")
    viewer.status("Outline accepted")
    recorder.take(2600)
    return recorder.write()


def main() -> None:
    """Record the README's moving picture from the real viewer."""
    with stage_with_tissue() as stage, viewer_on(stage, WIDTH, HEIGHT) as viewer:
        size = record(viewer)
    typer.echo(f"docs/images/demo.webp: {size / 1e6:.2f} MB")
    if size > MOST_BYTES:
        raise SystemExit("That is too large for a README.")


if __name__ == "__main__":
    program(main)()
