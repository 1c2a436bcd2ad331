"""Slides of more than 8 bits, and stacks of colour planes: the model sees them as people do."""

from __future__ import annotations

import cv2
import numpy as np
import tifffile

from tests.lab import BOX, HEIGHT, WIDTH, Lab, draw_image


def test_a_slide_of_sixteen_bits_is_outlined_as_one_of_eight(lab: Lab) -> None:
    """Its values take a thirtieth of their range, as cameras of 12 bits have it: unstretched, it is black."""
    drawn = lab.cytomine.slides / "drawn.png"
    draw_image(drawn)
    gray = cv2.imread(str(drawn), cv2.IMREAD_GRAYSCALE)
    found = {}
    for name, pixels, bits in (("eight.tif", gray, 8), ("sixteen.tif", gray.astype(np.uint16) * 8 + 100, 16)):
        tifffile.imwrite(lab.cytomine.slides / name, pixels, photometric="minisblack")
        lab.image = lab.cytomine.store.add_image(lab.project, lab.alice.id, name, WIDTH, HEIGHT, bits=bits, samples=1)
        number = lab.draw(BOX)
        answer = lab.refine(number)
        assert answer.status_code == 200, answer.text
        found[bits] = lab.iou(number)
    assert found[8] > 0.8
    assert found[16] > found[8] - 0.05


def test_a_stack_of_colour_planes_is_asked_for_in_colour(lab: Lab) -> None:
    drawn = lab.cytomine.slides / "drawn.png"
    draw_image(drawn)
    colour = cv2.cvtColor(cv2.imread(str(drawn)), cv2.COLOR_BGR2RGB)
    colour[..., 0] = 200  # red alone shows nothing
    stack = np.stack([np.full_like(colour, 255), colour, np.full_like(colour, 255)])
    tifffile.imwrite(
        lab.cytomine.slides / "stack.ome.tif", stack, photometric="rgb", metadata={"axes": "ZYXS"}, ome=True
    )
    lab.image = lab.cytomine.store.add_image(
        lab.project, lab.alice.id, "stack.ome.tif", WIDTH, HEIGHT, planes=(1, 3, 1)
    )
    number = lab.draw(BOX)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    assert lab.iou(number) > 0.9
