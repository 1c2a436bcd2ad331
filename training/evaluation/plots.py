"""The pictures of a report, as PNG in text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from app.geometry.masks import BoolMask
from training.dataset import Item
from training.evaluation.calibrate import Judged
from training.evaluation.evaluate import Row
from training.evaluation.monotone import reliability
from training.prompts import Given

_OBJECT, _FOUND, _BOX = (60, 200, 60), (230, 40, 40), (240, 200, 0)
_SIDE = 320


def prompts_plot(rows: Sequence[Row], method: str, order: Sequence[str]) -> str:
    """Draw the IoU of every prompt as boxes of quartiles."""
    values = {name: [row.values["iou"] for row in _kept(rows, method) if row.prompt == name] for name in order}
    shown = {name: found for name, found in values.items() if found}
    figure, axes = _axes(8, 0.32 * len(shown) + 1)
    axes.boxplot(list(shown.values())[::-1], orientation="horizontal", showmeans=True, flierprops={"markersize": 2})
    axes.set_yticks(range(1, len(shown) + 1), list(shown)[::-1])
    axes.set(xlabel="IoU (box: quartiles, triangle: mean)", xlim=(0, 1))
    axes.grid(axis="x", alpha=0.3)
    return _embedded(figure)


def methods_plot(means: dict[str, dict[str, float]]) -> str:
    """Draw one group of bars per prompt; method to prompt to mean IoU."""
    names = list(dict.fromkeys(name for found in means.values() for name in found))
    figure, axes = _axes(8, 3.4)
    width = 0.8 / len(means)
    for number, (method, found) in enumerate(means.items()):
        places = np.arange(len(names)) + (number - (len(means) - 1) / 2) * width
        axes.bar(places, [found.get(name, 0.0) for name in names], width, label=method)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="mean IoU", ylim=(0, 1))
    axes.legend(ncols=len(means), fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.18))
    axes.grid(axis="y", alpha=0.3)
    return _embedded(figure)


def sizes_plot(rows: Sequence[Row], items: Sequence[Item], method: str, prompt: str) -> str:
    """Draw the IoU over the size of the object."""
    longer = {item.id: item for item in items}
    figure, axes = _axes(8, 3.4)
    datasets = sorted({item.dataset for item in items})
    for dataset in datasets:
        some = [row for row in _kept(rows, method) if row.prompt == prompt and longer[row.item].dataset == dataset]
        axes.plot(
            [longer[row.item].longer_px0 for row in some], [row.values["iou"] for row in some], ".", label=dataset
        )
    axes.set(xlabel="longer side of the object, level-0 pixels", ylabel="IoU", xscale="log", ylim=(0, 1))
    axes.legend()
    axes.grid(alpha=0.3)
    return _embedded(figure)


def trust_plot(rows: Sequence[Row], method: str, prompt: str) -> str:
    """Draw the model's own estimate beside the IoU that it reached."""
    some = [row for row in _kept(rows, method) if row.prompt == prompt]
    figure, axes = _axes(4.2, 3.8)
    axes.plot([0, 1], [0, 1], color="gray", lw=1)
    axes.plot([row.values["score"] for row in some], [row.values["iou"] for row in some], ".")
    axes.set(xlabel="predicted IoU", ylabel="IoU", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    return _embedded(figure)


def reliability_plot(judged: Judged) -> str:
    """Draw what came over what was expected, for the raw score and for the calibration; large dots are many objects."""
    figure, axes = _axes(4.6, 4.2)
    axes.plot([0, 1], [0, 1], color="gray", lw=1)
    alike = np.ones(len(judged.iou))
    for values, name, mark in ((judged.score, "raw score", "s"), (judged.expected, "calibrated", "o")):
        bins = reliability(values, judged.iou, alike, 20)
        sizes = [8 + 160 * share for share, *_ in bins]
        axes.scatter([told for _, told, _, _ in bins], [came for _, _, came, _ in bins], sizes, marker=mark, label=name,
                     alpha=0.7)  # fmt: skip
    axes.set(xlabel="expected IoU", ylabel="mean IoU", xlim=(0.4, 1), ylim=(0.4, 1))
    axes.legend()
    axes.grid(alpha=0.3)
    return _embedded(figure)


def case_picture(image: npt.NDArray[np.uint8], truth: BoolMask, found: BoolMask, given: Given) -> str:
    """Draw the truth in green, the mask in red, and the prompts."""
    picture = image.copy()
    for mask, colour in ((truth, _OBJECT), (found, _FOUND)):
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, colour, 6)
    if given.box is not None:
        x0, y0, x1, y1 = (round(float(value)) for value in given.box)
        cv2.rectangle(picture, (x0, y0), (x1, y1), _BOX, 4)
    for (x, y), label in zip(given.points, given.labels, strict=True):
        cv2.circle(picture, (int(x), int(y)), 14, _OBJECT if label else _FOUND, -1)
        cv2.circle(picture, (int(x), int(y)), 14, (255, 255, 255), 3)
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return _text(cv2.imencode(".png", small[..., ::-1])[1].tobytes())


def _kept(rows: Sequence[Row], method: str) -> list[Row]:
    return [row for row in rows if row.method == method and row.cleaned]


def _axes(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")


def _embedded(figure: Any) -> str:
    from matplotlib import pyplot as plt

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    return _text(file.getvalue())


def _text(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")
