"""CascadePSP as post-processing: weights from a file, a server or random, and what it does to a mask."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.geometry.masks import BoolMask
from training.cli import app
from training.dataset import Dataset
from training.evaluation.cascade_psp import FILE, RANDOM, fetched, open_cascade_psp
from training.evaluation.evaluate import POSTPROCESSED
from training.evaluation.whole import evaluate_and_report
from training.models import open_model
from training.start import Machine

CPU = torch.device("cpu")
CONTENT = b"some weights" * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of files."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "model").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/model"
        server.shutdown()


def test_weights_are_fetched_once_and_whole(url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = fetched(home, url, MD5)
    assert file == home / FILE
    assert file.read_bytes() == CONTENT
    assert fetched(home, "http://127.0.0.1:9/nobody", MD5) == file  # it is there
    assert [each.name for each in home.iterdir()] == [FILE]


def test_another_file_is_not_kept(url: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="returned a file with md5"):
        fetched(tmp_path / "home", url, "0" * 32)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("wrong", ["/nothing", "http://127.0.0.1:9/nobody"])
def test_a_host_that_has_nothing_is_told(wrong: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="cannot be downloaded"):
        fetched(tmp_path / "home", wrong if wrong.startswith("http") else url + wrong, MD5)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.long
def test_the_packages_own_network_redraws_a_mask(tmp_path: Path) -> None:
    network = open_cascade_psp(RANDOM, CPU)
    image = np.full((1024, 1024, 3), 230, np.uint8)
    mask = cv2.circle(np.zeros((1024, 1024), np.uint8), (500, 520), 200, 1, -1) > 0
    found = network(image, mask)
    assert (found.shape, found.dtype) == ((1024, 1024), np.bool_)
    assert (found == network(image, mask)).all()
    file = tmp_path / "weights"
    torch.save({f"module.{name}": value for name, value in network.network.state_dict().items()}, file)
    again = open_cascade_psp(str(file), CPU)  # as its authors publish them
    assert not again.quick
    assert again.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert all(
        torch.equal(one, other)
        for one, other in zip(network.network.state_dict().values(), again.network.state_dict().values(), strict=True)
    )


@pytest.mark.long
def test_what_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_bytes(b"nonsense")
    with pytest.raises(WeightsCorrupt, match="holds no weights of CascadePSP"):
        open_cascade_psp(str(tmp_path / "nonsense"), CPU)
    with pytest.raises(WeightsUnavailable, match="no weights of CascadePSP"):
        open_cascade_psp(str(tmp_path / "missing"), CPU)


def test_without_the_package_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "segmentation_refinement.models.psp.pspnet", None)
    with pytest.raises(InvalidSettings, match="the extra `cascadepsp`"):
        open_cascade_psp(RANDOM, CPU)


class Filled:
    """Stands for the network: fills the mask's bounding box."""

    sha256 = "filled"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, image: np.ndarray, mask: BoolMask) -> BoolMask:
        self.asked += 1
        assert image.shape == (*mask.shape, 3)
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        return cv2.rectangle(np.zeros(mask.shape, np.uint8), (x, y), (x + width - 1, y + height - 1), 1, -1) > 0


def test_an_evaluation_redraws_masks_where_that_is_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    redraw = Filled()
    models = [open_model("embedded", None), open_model("embedded", None)]
    machine = Machine(CPU, mixed=False)
    report = evaluate_and_report(dataset.folder, models, machine, "all", 1, 0, tmp_path, redraw=redraw)
    content = json.loads(report.metrics.read_text())
    objects = content["data"]["objects"]
    assert redraw.asked == 6 * objects  # the box, and five combinations of prompts; of the first model only
    found = content["summary"]["embedded"]
    for prompt in POSTPROCESSED:
        group = found[f"{prompt}, CascadePSP"]["all objects"]
        assert group["iou"]["n"] == found[prompt]["all objects"]["iou"]["n"]
        assert group["components"]["mean"] == 1
        assert group["size_retention"]["mean"] > 1
        assert "raw_iou" not in group
    assert content["cascadepsp"] == "filled"
    assert "box, CascadePSP" not in content["summary"]["embedded (2)"]
    assert re.search(r"<th>box, CascadePSP</th>.*<th>all prompt types, CascadePSP</th>", report.html.read_text())
    evaluate_and_report(dataset.folder, models, machine, "all", 1, 0, tmp_path, redraw=redraw)
    assert redraw.asked == 6 * objects  # nothing is redrawn twice
    plain = evaluate_and_report(dataset.folder, models, machine, "all", 1, 0, tmp_path)  # without: another evaluation
    assert "CascadePSP" not in plain.html.read_text()


@pytest.mark.long
def test_evaluate_redraws_with_the_packages_network(tiles: Path, tmp_path: Path) -> None:
    asked = ["evaluate", "--data", str(tiles), "--checkpoint", "embedded", "--out", str(tmp_path), "--limit", "1"]
    answer = CliRunner().invoke(app, [*asked, "--cascadepsp", RANDOM])
    assert answer.exit_code == 0, answer.output
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["cascadepsp"] == "random weights, seed 0"
    assert content["summary"]["embedded"]["box, CascadePSP"]["all objects"]["iou"]["n"] == content["data"]["objects"]


def test_evaluate_refuses_weights_that_are_not_there_before_anything_is_done(tiles: Path, tmp_path: Path) -> None:
    asked = ["evaluate", "--data", str(tiles), "--checkpoint", "embedded", "--out", str(tmp_path / "out")]
    answer = CliRunner().invoke(app, [*asked, "--cascadepsp", str(tmp_path / "missing")])
    assert answer.exit_code != 0
    assert "no weights of CascadePSP" in str(answer.exception) + answer.output
    assert not (tmp_path / "out" / "data").exists()
