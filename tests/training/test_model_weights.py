"""Weights of others: pulled from a real server, read from files and folders, and never copied into a checkpoint."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import file_sha256
from tests.fakes.checkpoint_server import CheckpointServer
from tests.fakes.gated_hub import COMMIT, GatedHub
from training.cli import app
from training.dataset import Dataset
from training.early import SMALL_RESULTS, room_for_training
from training.finetune.recipe import Recipe
from training.models import open_model, published
from training.models.published import SAM_WEIGHTS, pull_published
from training.models.sam1 import build_sam1
from training.models.tissue_encoders import ENCODERS, build_tissue_encoder
from training.models.tissue_weights import load_tissue_encoder

TINY = "tissue_tiny16"
ATTENTION = f"sam_vit_tiny,{TINY},attention"


def encoder_bytes(name: str = TINY, seed: int = 3) -> bytes:
    torch.manual_seed(seed)
    memory = io.BytesIO()
    torch.save(build_tissue_encoder(name).state_dict(), memory)
    return memory.getvalue()


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a small encoder under the name of a large one's repository."""
    monkeypatch.setitem(ENCODERS, TINY, replace(ENCODERS[TINY], repository="Lab/Tiny", licence="CC BY-NC-ND 4.0"))


@pytest.mark.usefixtures("gated")
@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_a_gated_encoder_is_pulled_with_the_users_token(
    file: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with GatedHub(encoder_bytes(), file=file) as hub:
        path = pull_published(TINY, tmp_path, token=hub.admitted, hub=hub.url)
        asked = hub.store.asked
    assert path == tmp_path / f"{TINY}.pt"
    assert ("GET", f"/Lab/Tiny/resolve/{COMMIT}/{file}") in hub.asked  # that very version
    assert asked
    assert all("Authorization" not in each.headers for each in asked)  # the other host never sees the token
    assert hub.admitted not in caplog.text
    _, part = load_tissue_encoder(TINY, str(path))
    assert part.sha256 == file_sha256(path)


@pytest.mark.usefixtures("gated")
@pytest.mark.parametrize("token", [None, "hf_of_somebody_else"])
def test_who_is_not_admitted_is_told_where_to_ask(token: str | None, tmp_path: Path) -> None:
    with GatedHub(b"weights") as hub, pytest.raises(WeightsUnavailable, match="ask for access") as refused:
        pull_published(TINY, tmp_path, token=token, hub=hub.url)
    assert "/Lab/Tiny" in str(refused.value)
    assert "CC BY-NC-ND" in str(refused.value)
    assert "somebody" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("gated")
def test_a_file_that_is_not_what_the_host_says_is_not_kept(tmp_path: Path) -> None:
    with GatedHub(b"weights") as hub:
        hub.store.body = b"changed"  # as long, and other
        with pytest.raises(WeightsCorrupt, match="removed"):
            pull_published(TINY, tmp_path, token=hub.admitted, hub=hub.url)
        hub.describes = False
        with pytest.raises(WeightsUnavailable, match="does not say what"):
            pull_published(TINY, tmp_path, token=hub.admitted, hub=hub.url)
    with GatedHub(b"weights", file="other.bin") as hub, pytest.raises(WeightsUnavailable, match="neither"):
        pull_published(TINY, tmp_path, token=hub.admitted, hub=hub.url)
    with pytest.raises(WeightsUnavailable, match="Cannot reach"):
        pull_published(TINY, tmp_path, token=hub.admitted, hub=hub.url)
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.usefixtures("gated")
def test_a_token_never_travels_unencrypted(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="only sent over https"):
        pull_published(TINY, tmp_path, token="hf_secret", hub="http://hub.invalid")


def test_sam_is_pulled_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(4)
    memory = io.BytesIO()
    torch.save(build_sam1("sam_vit_tiny").state_dict(), memory)
    with CheckpointServer(memory.getvalue()) as server:
        with pytest.raises(WeightsCorrupt):
            pull_published("sam_vit_b", tmp_path, mirror=server.url)  # other bytes than Meta's
        (tmp_path / "tiny").write_bytes(server.body)
        tiny = replace(
            SAM_WEIGHTS[0], config="sam_vit_tiny", size_bytes=len(server.body), sha256=file_sha256(tmp_path / "tiny")
        )
        monkeypatch.setattr(published, "SAM_WEIGHTS", (tiny,))
        monkeypatch.setenv("REFINE_WEIGHTS__FOLDER", str(tmp_path))
        monkeypatch.setenv("REFINE_WEIGHTS__MIRROR", server.url)
        answer = CliRunner().invoke(app, ["pull", "sam_vit_b"])
        assert answer.exit_code == 0, answer.output
    for checkpoint in ("sam_vit_b", str(tmp_path / "tiny")):  # the bare file is known by its digest
        assert open_model(checkpoint).config == "sam_vit_tiny"


def test_pulling_a_wrong_name_lists_the_right_ones() -> None:
    answer = CliRunner().invoke(app, ["pull", "uni3"])
    assert answer.exit_code == 2
    assert isinstance(answer.exception, SystemExit)
    with pytest.raises(InvalidSettings, match=r"base_plus, .*sam_vit_h, uni, uni2-h, h-optimus-0"):
        pull_published("uni3", Path())


def test_weights_come_as_a_file_or_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    state = build_tissue_encoder(TINY).state_dict()
    torch.save(state, tmp_path / "plain.bin")
    (tmp_path / "published").mkdir()
    save_file(state, tmp_path / "published" / "model.safetensors")
    (tmp_path / f"{TINY}.pt").write_bytes((tmp_path / "plain.bin").read_bytes())
    monkeypatch.setenv("REFINE_WEIGHTS__FOLDER", str(tmp_path))
    for source in (str(tmp_path / "plain.bin"), str(tmp_path / "published"), TINY, None):
        network, part = load_tissue_encoder(TINY, source)
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
        assert not any(value.requires_grad for value in network.parameters())
        assert part.source == (source or TINY)


def test_what_cannot_be_an_encoder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFINE_WEIGHTS__FOLDER", str(tmp_path))
    with pytest.raises(WeightsUnavailable, match=f"training pull {TINY}"):
        load_tissue_encoder(TINY)
    with pytest.raises(WeightsUnavailable, match="a file, or a folder"):
        load_tissue_encoder(TINY, str(tmp_path / "nowhere"))
    (tmp_path / "other.pt").write_bytes(encoder_bytes("tissue_tiny14"))
    with pytest.raises(WeightsCorrupt, match=f"does not fit the config {TINY}"):
        load_tissue_encoder(TINY, str(tmp_path / "other.pt"))
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 8 + b"{")
    with pytest.raises(WeightsCorrupt, match="is damaged"):
        load_tissue_encoder(TINY, str(tmp_path / "broken.safetensors"))


def test_a_head_opens_only_on_the_weights_that_it_learned_on(tmp_path: Path) -> None:
    weights, others = tmp_path / "encoder.pt", tmp_path / "others.pt"
    weights.write_bytes(encoder_bytes(seed=3))
    others.write_bytes(encoder_bytes(seed=4))
    model = open_model("random", ATTENTION, str(weights)).model
    head = tmp_path / "head.pt"
    torch.save(model.checkpoint(), head)
    assert open_model(str(head)).config == ATTENTION
    with pytest.raises(WeightsCorrupt, match=r"other weights of its encoder .* with --encoder"):
        open_model(str(head), encoder=str(others))
    moved = tmp_path / "moved.pt"
    weights.rename(moved)
    with pytest.raises(WeightsUnavailable, match="no weights of tissue_tiny16"):
        open_model(str(head))
    assert open_model(str(head), encoder=str(moved)).config == ATTENTION
    with pytest.raises(InvalidSettings, match="is a sam_vit_tiny,tissue_tiny16,attention, not a"):
        open_model(str(head), f"sam_vit_tiny,{TINY},refinement", str(moved))
    torch.save(build_sam1("sam_vit_tiny").state_dict(), tmp_path / "sam.pt")
    with pytest.raises(WeightsCorrupt, match="other weights of its sam"):
        open_model(str(head), encoder=str(moved), sam=str(tmp_path / "sam.pt"))
    content = model.checkpoint()
    del content["model"]["head.out.bias"]
    torch.save(content, head)
    with pytest.raises(WeightsCorrupt, match=r"1 missing \(head.out.bias\)"):
        open_model(str(head), encoder=str(moved))


def test_room_is_asked_for_what_is_written_and_not_for_frozen_encoders(dataset: Dataset, tmp_path: Path) -> None:
    model = open_model("random", ATTENTION, "random").model
    own = sum(4 * value.numel() for value in model.checkpoint()["model"].values())
    items = len(dataset.of("train")) + len(dataset.of("validation"))
    expected = SMALL_RESULTS + 6 * own + items * model.window_bytes
    assert room_for_training(model, Recipe(), dataset, tmp_path) == pytest.approx(expected, abs=4096)
