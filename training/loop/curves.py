"""Loss and IoU of a training over its epochs: live in TensorBoard, and a picture that stays."""

from __future__ import annotations

import math
from pathlib import Path


class Curves:
    """Writes the curves of a run.

    Parameters
    ----------
    folder : Path
        Of the run; ``tensorboard --logdir`` shows its folder ``tensorboard``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = 0

    def add(self, curve: list[dict[str, float]]) -> None:
        """Show the points that are new."""
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self._folder / "tensorboard")) as writer:
            for point in curve[self._shown :]:
                for name, value in point.items():
                    if name not in ("epoch", "minutes") and math.isfinite(value):
                        writer.add_scalar(name.replace(" ", "/"), value, int(point["epoch"]))
        self._shown = len(curve)
        _plot(curve, self._folder / "curve.png")


def _plot(curve: list[dict[str, float]], file: Path) -> None:
    """Draw loss and validation IoU over the epochs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    epochs = [point["epoch"] for point in curve]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(epochs, [point.get("loss", math.nan) for point in curve], "o-")
    left.set(xlabel="epoch", ylabel="training loss")
    names = [name for name in curve[-1] if name.startswith("iou")]
    for name in names:
        label = "all" if name == "iou" else name.removeprefix("iou of ")
        right.plot(
            epochs, [point.get(name, math.nan) for point in curve], "o-", label=label, lw=2 if name == "iou" else 1
        )
    right.set(xlabel="epoch (0: before)", ylabel="validation IoU")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(file, dpi=120)
    plt.close(figure)
