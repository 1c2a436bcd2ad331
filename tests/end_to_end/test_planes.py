"""Slides that are more than eight bits and three colours: deep ones, and stacks of channels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from tests.lab import BOX, DISC_RADIUS, DISC_X, DISC_Y, HEIGHT, WIDTH, Lab

NAMES = ("eight bits", "sixteen dark bits", "two channels")


def gray_discs() -> npt.NDArray[np.uint8]:
    """Draw the disc that everybody outlines, dark on a light, slightly noisy ground."""
    rng = np.random.default_rng(7)
    pixels = np.full((HEIGHT, WIDTH), 210, np.uint8)
    cv2.circle(pixels, (DISC_X, HEIGHT - DISC_Y), DISC_RADIUS, 80, -1, cv2.LINE_AA)
    noisy = cv2.GaussianBlur(pixels + rng.normal(0, 12, pixels.shape), (0, 0), 1.2)
    return np.asarray(np.clip(noisy, 0, 255).astype(np.uint8))


def add_slide(lab: Lab, name: str) -> None:
    """Write a slide and look at it from now on."""
    discs, file = gray_discs(), lab.cytomine.slides / f"{name.replace(' ', '-')}.ome.tiff"
    store, size = lab.cytomine.store, (WIDTH, HEIGHT)
    if name == "two channels":
        empty = np.full_like(discs, 128)
        tifffile.imwrite(file, np.stack([empty, discs]), metadata={"axes": "CYX"})
        lab.image = store.add_image(lab.project, lab.alice.id, file.name, *size, samples=1, planes=(2, 1, 1))
        return
    deep = name == "sixteen dark bits"
    tifffile.imwrite(file, 1000 + discs.astype(np.uint16) if deep else discs, metadata={"axes": "YX"})
    lab.image = store.add_image(lab.project, lab.alice.id, file.name, *size, samples=1, bits=16 if deep else 8)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_object_is_outlined(lab: Lab, name: str) -> None:
    add_slide(lab, name)
    number = lab.draw(BOX)
    answer = lab.refine(number)
    assert answer.status_code == 200, answer.text
    assert lab.iou(number) > 0.9
