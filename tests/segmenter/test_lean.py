"""The encoder with less work gives the same result, to the last bit; what is compiled is made once and found again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.segmenter.checkpoint import build_model
from app.segmenter.engines.compiled import compiled, compiled_folder
from app.segmenter.engines.lean import leaned
from app.segmenter.engines.torch_engine import decoded, features

EXAMPLE = torch.linspace(-1, 1, 3 * 256 * 256).reshape(1, 3, 256, 256)


def model(share: float = 1.0) -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("embedded", share).eval()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_features_and_masks_stay_as_they_are(precision: torch.dtype) -> None:
    prompts = (torch.tensor([[[60.0, 60.0], [190.0, 190.0]]]), torch.tensor([[2, 3]], dtype=torch.int32))
    found = []
    for each in (model(), leaned(model(), precision)):
        with torch.inference_mode():
            with torch.autocast(
                "cpu",
                torch.bfloat16 if precision == torch.float32 else precision,
                enabled=precision != torch.float32,
                cache_enabled=False,
            ):
                levels = [level.float() for level in features(each, EXAMPLE)]
            found.append((*levels, *decoded(each, levels, *prompts)))
    for before, after in zip(*found, strict=True):
        assert torch.equal(before, after)


def test_weights_of_products_are_cast_once_and_the_rest_is_left() -> None:
    lean = leaned(model(), torch.bfloat16)
    trunk = lean.image_encoder.trunk  # type: ignore[union-attr]
    assert trunk.blocks[0].attn.qkv.weight.dtype == torch.bfloat16  # type: ignore[union-attr, index]
    assert trunk.blocks[0].norm1.weight.dtype == torch.float32  # type: ignore[union-attr, index]
    assert trunk.pos_embed.dtype == torch.float32  # type: ignore[union-attr]
    decoder = lean.sam_mask_decoder
    assert decoder.conv_s0.weight.dtype == torch.bfloat16  # type: ignore[union-attr]
    assert {weight.dtype for weight in decoder.transformer.parameters()} == {torch.float32}  # type: ignore[union-attr]


def test_work_that_changes_nothing_is_not_done() -> None:
    """Neither interpolating positions nor computing sines belongs to a window any more."""
    done = []
    for each in (model(0.75), leaned(model(0.75), torch.float32)):
        with torch.inference_mode(), torch.profiler.profile() as profile:
            features(each, EXAMPLE[..., :192, :192])
        done.append({event.key for event in profile.key_averages()})
    assert {"aten::upsample_bicubic2d", "aten::sin"} <= done[0]
    assert not {"aten::upsample_bicubic2d", "aten::sin"} & done[1]


def test_without_a_compiled_encoder_graphs_are_recorded_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def double(given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (given * 2,)

    assert compiled(double, [torch.ones(3)], tmp_path / "none", make=False) is double
    assert "`python -m app engines` makes one" in caplog.text
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_compiled_is_run_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no C compiler\nat length")

    monkeypatch.setattr(torch, "compile", fails)
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, "")
    assert compiled(torch.relu, [torch.ones(3)], tmp_path, make=True) is torch.relu  # type: ignore[arg-type]
    assert "cannot be compiled (no C compiler)" in caplog.text
    assert not list(tmp_path.glob("made"))


def test_each_device_and_version_has_a_folder_of_its_own(tmp_path: Path) -> None:
    found = compiled_folder(tmp_path, "ab" * 32, torch.device("cpu"))
    assert found.parent == tmp_path
    assert found.name == f"abababababababab-torch{torch.__version__}-cpu-fused"


_RUN = """
import logging, sys, torch
from pathlib import Path
from app.segmenter.engines.compiled import compiled
logging.basicConfig()
def gelu(given):
    return (torch.nn.functional.gelu(given * 2) + 1,)
fused = compiled(gelu, [torch.ones(8, 8)], Path(sys.argv[1]), make=sys.argv[2] == "make")
torch.testing.assert_close(fused(torch.ones(8, 8)), gelu(torch.ones(8, 8)))
print("fused" if fused is not gelu else "plain")
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_later_start_finds_what_was_compiled(tmp_path: Path) -> None:
    def run(how: str, **environment: str) -> str:
        command = [sys.executable, "-c", _RUN, str(tmp_path / "kept"), how]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() + done.stderr

    made = run("make")
    if "cannot be compiled" in made:
        pytest.skip(f"no compiler here: {made}")
    assert made.startswith("fused")
    files = {file for file in tmp_path.rglob("*.so")}
    assert files
    assert run("find").startswith("fused")
    assert {file for file in tmp_path.rglob("*.so")} == files  # nothing was compiled again
    without = run("find", PATH="/nonexistent", CXX="/nonexistent/g++", CC="/nonexistent/gcc")
    assert without.startswith("fused") or "the encoder runs as recorded" in without
