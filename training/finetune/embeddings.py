"""Embeddings computed once: the image encoder is frozen, so each window passes it a single time.

They lie in memory-mapped files, one for each of the encoder's outputs, in half precision; 0.3 MB a window with the
embedded model, 8 MB with SAM 2.1 at 1024 px. The convolutions that bring the finer outputs to the mask decoder's width
belong to the decoder but run here, and so stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from training.dataset import Dataset, Item
from training.errors import telling_of_full_disks
from training.models import Embeddings, Promptable
from training.terminal import bar_of

_BLOCK = 1 << 24


@dataclass(frozen=True)
class Store:
    """The embeddings of some items of a dataset."""

    rows: dict[str, int]
    """Item id to row."""
    arrays: tuple[npt.NDArray[np.float16], ...]
    """The image embedding first, then what is needed beside it; (n, c, h, w), memory-mapped."""

    def of(self, items: list[Item], device: torch.device) -> Embeddings:
        """Load the embeddings of a batch."""
        rows = [self.rows[item.id] for item in items]
        image, *further = (
            torch.from_numpy(np.stack([each[row] for row in rows])).float().to(device) for each in self.arrays
        )
        return Embeddings(image, tuple(further))


def precomputed(
    model: Promptable, encoder_sha256: str, dataset: Dataset, items: list[Item], folder: Path, device: torch.device
) -> Store:
    """Encode every item once, or go on where an earlier call stopped.

    Parameters
    ----------
    encoder_sha256 : str
        Digest of the weights; other weights have other files.
    folder : Path
        Where the files lie.

    Raises
    ------
    NoSpace
        The disk is full; what was encoded stays.
    BrokenDataset
        A window cannot be read.
    """
    shapes = _shapes(model, device)
    key = _key(encoder_sha256, items, shapes)
    home = folder / key
    home.mkdir(parents=True, exist_ok=True)
    with telling_of_full_disks(str(home)):
        arrays = tuple(_mapped(home / f"{number}.npy", (len(items), *shape)) for number, shape in enumerate(shapes))
        done = _mapped(home / "done.npy", (len(items),))
        columns = (TextColumn("Encoding windows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with bar_of(*columns) as bar:
            task = bar.add_task("", total=len(items), completed=int((done > 0).sum()))
            for row in np.flatnonzero(done == 0):
                _encode_into(arrays, int(row), model, dataset.image(items[row]), device)
                done[row] = 1
                bar.advance(task)
        for array in (*arrays, done):
            array.flush()
    return Store({item.id: row for row, item in enumerate(items)}, arrays)


@torch.inference_mode()
def _encode_into(
    arrays: tuple[npt.NDArray[np.float16], ...],
    row: int,
    model: Promptable,
    image: npt.NDArray[np.uint8],
    device: torch.device,
) -> None:
    found = model.encode(torch.from_numpy(image).permute(2, 0, 1)[None].to(device))
    for array, tensor in zip(arrays, (found.image, *found.further), strict=True):
        array[row] = tensor[0].half().cpu().numpy()


@torch.inference_mode()
def _shapes(model: Promptable, device: torch.device) -> list[tuple[int, ...]]:
    found = model.encode(torch.zeros(1, 3, model.side, model.side, device=device))
    return [tuple(tensor.shape[1:]) for tensor in (found.image, *found.further)]


def _key(encoder_sha256: str, items: list[Item], shapes: list[tuple[int, ...]]) -> str:
    text = json.dumps([encoder_sha256, [(item.id, item.sha256) for item in items], shapes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mapped(file: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float16]]:
    """Open an array on the disk; a new one is written first, since a full disk under a memory map ends the process."""
    if not file.exists():
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, {"descr": "<f2", "fortran_order": False, "shape": shape})
            left = 2 * int(np.prod(shape))
            while left > 0:
                left -= stream.write(bytes(min(left, _BLOCK)))
        part.replace(file)
    return cast("np.memmap[Any, np.dtype[np.float16]]", np.lib.format.open_memmap(file, mode="r+"))
