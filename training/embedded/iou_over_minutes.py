"""A picture of how the embedded model's training went: IoU over minutes."""

from __future__ import annotations

from pathlib import Path


def plot_iou_over_minutes(curve: list[dict[str, float]], file: Path) -> None:
    """Draw the IoU of training and of the held-out drawn samples over the minutes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    minutes = [point["minutes"] for point in curve]
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(minutes, [point["validation"] for point in curve], "o-", label="200 held-out samples, averaged weights")
    axes.plot(minutes, [point["iou"] for point in curve], ".--", label="training batches, before a corrective point")
    axes.set(xlabel="minutes", ylabel="IoU", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(file, dpi=120)
    plt.close(figure)
