from pathlib import Path

import pytest
import torch

from app.errors import InvalidSettings, WeightsCorrupt, WeightsUnavailable
from app.segmenter.checkpoint import build_model, find_config, load_checkpoint


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return build_model("embedded").state_dict()


def saved(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "model.pt"
    torch.save(content, path)
    return path


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state, "epoch": 3}])
def test_bare_and_wrapped_state_dicts_are_loaded(tmp_path: Path, state, wrap) -> None:
    model = load_checkpoint(saved(tmp_path, wrap(state)), "embedded")
    assert not model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])


def test_half_precision_is_widened(tmp_path: Path, state) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    model = load_checkpoint(saved(tmp_path, half), "embedded")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_missing_extra_and_misshapen_keys_are_named_in_one_line(tmp_path: Path, state) -> None:
    wrong = dict(state)
    first, second = list(wrong)[:2]
    del wrong[first]
    wrong[second] = torch.zeros(1, 2, 3)
    wrong["decoder.surplus"] = torch.zeros(1)
    with pytest.raises(WeightsCorrupt) as caught:
        load_checkpoint(saved(tmp_path, wrong), "embedded")
    line = caught.value.detail
    assert "\n" not in line
    assert f"1 missing ({first})" in line
    assert "1 extra (decoder.surplus)" in line
    assert f"1 misshapen ({second} (1, 2, 3) instead of" in line


def test_a_checkpoint_of_another_config_is_refused_with_few_names(tmp_path: Path, state) -> None:
    with pytest.raises(WeightsCorrupt, match="…") as caught:
        load_checkpoint(saved(tmp_path, state), "sam2.1_hiera_t")
    assert len(caught.value.detail) < 1000


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, state, share: float) -> None:
    path = saved(tmp_path, state)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsCorrupt) as caught:
        load_checkpoint(path, "embedded")
    assert "\n" not in caught.value.detail


class Surprise:
    """What a hostile checkpoint would run."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("surprise"),))


@pytest.mark.parametrize("content", [{"model": {"a": 1}}, [1, 2], {}, {"model": {}}, Surprise(), "text"])
def test_what_is_no_state_dict_is_refused_and_nothing_runs(tmp_path: Path, monkeypatch, content: object) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsCorrupt):
        load_checkpoint(saved(tmp_path, content), "embedded")
    assert not Path("surprise").exists()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"nowhere\.pt"):
        load_checkpoint(tmp_path / "nowhere.pt", "embedded")
    with pytest.raises(WeightsUnavailable):
        load_checkpoint(tmp_path, "embedded")


@pytest.mark.parametrize("name", ["sam2.1_hiera_t", "sam2.1_hiera_s", "sam2.1_hiera_b+", "sam2.1_hiera_l", "embedded"])
def test_configs_are_found_by_name(name: str) -> None:
    assert find_config(name).is_file()


def test_unknown_and_broken_configs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="nothing"):
        find_config("nothing")
    broken = tmp_path / "broken.yaml"
    for text in (
        "model: {_target_: no.such.thing}",
        "other: 1",
        "a: [",
        "model: {_target_: sam2.modeling.sam2_base.SAM2Base}",
    ):
        broken.write_text(text)
        with pytest.raises(InvalidSettings, match=r"broken\.yaml"):
            build_model(str(broken))
