"""The picture of ten objects on a slide that the demo model never saw, outlined from loose boxes alone.

``python -m scripts.ten_objects CMU-1-Small-Region.svs`` writes ``docs/images/ten-objects.jpg``. The slide is
from OpenSlide's freely distributable test data (Carnegie Mellon University, CC0-1.0).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from shapely import get_parts

from app.geometry.frames import Roi, flip_geometry
from app.imagery.reader import SlideWindowReader
from app.segmenter.load import load_segmenter
from app.segmenter.weights import choose
from app.settings import SegmenterSettings, Settings
from app.usecases.doubts import DEMO_MODEL
from app.usecases.embeddings import Embeddings
from app.usecases.ports import Claim, Plane, Slide
from app.usecases.segment_roi import Segmentation, SegmentRoi
from app.usecases.timings import Stopwatch
from bench.objects import SlideFiles
from slides import open_slide

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "ten-objects.jpg"
BOXES = (
    (1207, 867, 1235, 896),
    (1240, 858, 1264, 880),
    (1145, 915, 1172, 943),
    (1190, 925, 1213, 951),
    (1141, 948, 1167, 972),
    (1214, 905, 1240, 927),
    (1188, 1975, 1340, 2182),
    (1686, 2540, 1772, 2642),
    (1588, 2660, 1702, 2852),
    (1510, 1178, 1612, 1300),
)
"""As a person drew them: six nuclei, a horn cyst, two dermal papillae and a flake of keratin; slide frame, level-0
pixels."""


def main(file: Path) -> None:
    """Outline the ten objects and draw them."""
    opened = open_slide(file)
    slide = Slide(1, opened.width, opened.height, str(file))
    settings = Settings(segmenter=SegmenterSettings(engine="torch-float32", demo_model=True, device="cpu"))
    segmenter = load_segmenter(settings.segmenter, choose(settings))
    segment = SegmentRoi(Embeddings(SlideWindowReader(SlideFiles()), segmenter), segmenter)
    figure, axes = plt.subplots(2, 5, figsize=(12.5, 5.4), layout="constrained")
    for place, corners in zip(axes.flat, BOXES, strict=True):
        box = Roi(*(float(side) for side in corners))
        with segment.begun(slide, Plane(), box, Stopwatch(), Claim()) as begun:
            _draw(place, slide, box, begun.outline(box, ()))
    segmenter.close()
    figure.savefig(PICTURE, dpi=80, pil_kwargs={"quality": 80})
    print(f"Wrote {PICTURE.name}")


def _draw(axes: Axes, slide: Slide, box: Roi, found: Segmentation) -> None:
    half = box.longer_side
    left, top = round((box.x_min + box.x_max) / 2 - half), round((box.y_min + box.y_max) / 2 - half)
    side = round(2 * half)
    axes.imshow(np.asarray(open_slide(Path(slide.path)).read(left, top, side, side, (240, 240)))[..., :3])
    axes.set_axis_off()
    step = side / 240
    corner = ((box.x_min - left) / step, (box.y_min - top) / step)
    size = (box.width / step, box.height / step)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#2a6fdb", linewidth=1))
    judged = found.account.judged
    doubted = any(each != DEMO_MODEL for each in judged.doubts)
    for part in get_parts(flip_geometry(found.shape, slide.height)) if found.shape else ():
        x, y = np.asarray(part.exterior.coords).T
        axes.plot((x - left) / step, (y - top) / step, color="#ffb000" if doubted else "#19e619", linewidth=2)
    axes.set_title(f"confidence {judged.confidence:.2f}{', doubtful' if doubted else ''}", fontsize=10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path, help="The slide, CMU-1-Small-Region.svs.")
    main(parser.parse_args().slide)
