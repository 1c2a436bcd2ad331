"""CascadePSP: a second network that redraws the border of a mask; source: Cheng et al. 2020, thesis, section 5.7.2.

The network is that of the package ``segmentation-refinement``, which is optional. Its weights come from a file, from
where its authors publish them, or are random, for tests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.geometry.masks import BoolMask
from training.errors import telling_of_full_disks

URL = "https://github.com/hkchengrex/CascadePSP/releases/download/v1.0/model"
MD5 = "7478d4a9c42ab52beb6d7e9683402fe0"
"""Of the published weights; source: the package."""
FILE = "cascade_psp.pth"
RANDOM = "random"
_SIDE = 900
"""At which the network works; source: the package's default, which the author kept."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Redraw(Protocol):
    """CascadePSP, or what stands for it."""

    @property
    def sha256(self) -> str:
        """Of its weights."""

    def __call__(self, image: npt.NDArray[np.uint8], mask: BoolMask, /) -> BoolMask:
        """Redraw a mask, (h, w) bool, on its window, (h, w, 3) uint8 RGB."""


@dataclass(frozen=True)
class CascadePsp:
    """The network with its weights."""

    network: nn.Module
    device: torch.device
    sha256: str
    quick: bool = False
    """Its first step alone, at a quarter of the size: another result, for tests."""

    @torch.inference_mode()
    def __call__(self, image: npt.NDArray[np.uint8], mask: BoolMask) -> BoolMask:
        """Redraw a mask, (h, w) bool, on its window, (h, w, 3) uint8 RGB."""
        from segmentation_refinement.eval_helper import process_high_res_im, process_im_single_pass

        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (_MEAN, _STD))
        shown = torch.from_numpy(mask)[None, None].float() * 2 - 1
        step = process_im_single_pass if self.quick else process_high_res_im
        side = _SIDE // 4 if self.quick else _SIDE
        found = step(self.network, ((pixels - mean) / std).to(self.device), shown.to(self.device), side)
        return np.asarray(found[0, 0].float().cpu().numpy() * 255 > 127, np.bool_)


def open_cascade_psp(weights: str, device: torch.device) -> CascadePsp:
    """Load the network.

    Parameters
    ----------
    weights : str
        A file, an existing folder that the published ones are downloaded to unless they are there, or ``random``.

    Raises
    ------
    InvalidSettings
        The package is not installed.
    WeightsUnavailable, WeightsCorrupt
        The weights cannot be had, or are others.
    """
    try:
        from segmentation_refinement.models.psp.pspnet import RefinementModule
    except (ImportError, RuntimeError) as error:  # torchvision of another torch is a RuntimeError
        raise InvalidSettings(
            f"CascadePSP needs the package segmentation-refinement, the extra `cascadepsp`: {error}."
        ) from error
    torch.manual_seed(0)
    network = cast(nn.Module, RefinementModule()).eval()
    if weights == RANDOM:
        return CascadePsp(network.to(device), device, "random weights, seed 0", quick=True)
    file = fetched(Path(weights)) if Path(weights).is_dir() else Path(weights)
    if not file.is_file():
        raise WeightsUnavailable(
            f"There are no weights of CascadePSP at {file}: name a file, or an existing folder to download them to."
        )
    _fill(network, file)
    return CascadePsp(network.to(device), device, hashlib.sha256(file.read_bytes()).hexdigest())


def _fill(network: nn.Module, file: Path) -> None:
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    except Exception as error:  # torch has no error of its own for what is no checkpoint
        raise WeightsCorrupt(f"{file} holds no weights of CascadePSP: {str(error).splitlines()[0]}") from error


def fetched(folder: Path, url: str = URL, md5: str = MD5) -> Path:
    """Fetch the published weights into a folder, unless they are there; they appear only when they are whole.

    Raises
    ------
    WeightsUnavailable
        They cannot be had.
    WeightsCorrupt
        The host gives another file; nothing of it is kept.
    """
    target = folder / FILE
    if target.is_file():
        return target
    part, digest = target.with_suffix(".part"), hashlib.md5(usedforsecurity=False)
    with telling_of_full_disks(str(part)):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer, part.open("wb") as stream:
                answer.raise_for_status()
                for piece in answer.iter_bytes():
                    digest.update(piece)
                    stream.write(piece)
        except httpx.HTTPError as error:
            part.unlink(missing_ok=True)
            raise WeightsUnavailable(f"The weights of CascadePSP cannot be downloaded from {url}: {error}.") from error
        if digest.hexdigest() != md5:
            part.unlink()
            raise WeightsCorrupt(f"{url} returned a file with md5 {digest.hexdigest()}, CascadePSP has {md5}: removed.")
        part.replace(target)
    return target
