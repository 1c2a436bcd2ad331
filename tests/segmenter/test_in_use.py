"""Checkpoints that are put to use: a stack in a file, and a service that looks at it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import ChosenWeights, Watch, back, choose, file_sha256, in_use, use
from app.segmenter.weights.in_use import FILE
from app.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {"weights": {"folder": tmp_path / "weights", "watch_s": 0.01}, "segmenter": {"demo_model": True}}
    )


def checkpoint(folder: Path, name: str) -> Path:
    """Write what stands for a checkpoint, with its card."""
    file = folder / f"{name}.pt"
    file.write_bytes(name.encode() * 99)
    card = {"name": name, "config": "embedded", "sha256": file_sha256(file)}
    file.with_suffix(".json").write_text(json.dumps(card))
    return file


def test_the_last_one_put_to_use_works_and_back_goes_down_the_stack(tmp_path: Path, settings: Settings) -> None:
    folder = settings.weights.folder
    assert in_use(folder) is None
    use(folder, checkpoint(tmp_path, "first"))
    second = use(folder, checkpoint(tmp_path, "second"))
    assert in_use(folder) == second
    assert choose(settings).name == "second"
    (tmp_path / "second.pt").unlink()  # it is a copy that works
    assert choose(settings).sha256 == file_sha256(second)
    assert back(folder) == in_use(folder) != second
    assert choose(settings).name == "first"
    assert back(folder) is None
    assert choose(settings).origin == "embedded"
    with pytest.raises(WeightsUnavailable, match="nothing to go back from"):
        back(folder)


def test_the_same_one_twice_is_on_the_stack_once(tmp_path: Path, settings: Settings) -> None:
    folder, file = settings.weights.folder, checkpoint(tmp_path, "first")
    assert use(folder, file) == use(folder, file) == use(folder, use(folder, file))
    assert back(folder) is None


@pytest.mark.parametrize("text", ["{", "{}", '{"stack": ["../a.pt"]}', '{"stack": ["/a.pt"]}', '{"stack": [1]}'])
def test_a_damaged_stack_is_told(settings: Settings, text: str) -> None:
    settings.weights.folder.mkdir()
    (settings.weights.folder / FILE).write_text(text)
    with pytest.raises(WeightsCorrupt, match="is damaged"):
        choose(settings)


def test_what_is_not_there_cannot_be_put_to_use(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(WeightsUnavailable, match="Cannot read"):
        use(settings.weights.folder, tmp_path / "none.pt")
    assert in_use(settings.weights.folder) is None


def test_a_watch_takes_each_change_once(tmp_path: Path, settings: Settings) -> None:
    folder, taken = settings.weights.folder, []
    watch = Watch(settings, choose(settings).sha256, lambda weights: taken.append(weights.name))
    watch.look()
    assert taken == []
    use(folder, checkpoint(tmp_path, "first"))
    watch.look()
    watch.look()
    assert taken == ["first"]
    back(folder)
    watch.look()
    assert taken == ["first", "embedded"]


def test_what_cannot_be_taken_leaves_the_weights_at_work(
    tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[str] = []

    def take(weights: ChosenWeights) -> None:
        if weights.name == "broken":
            raise RuntimeError("does not load")
        taken.append(weights.name)

    watch = Watch(settings, choose(settings).sha256, take)
    use(settings.weights.folder, checkpoint(tmp_path, "broken"))
    watch.look()
    assert "The previous ones stay in use" in caplog.text
    (settings.weights.folder / FILE).write_text("{")
    watch.look()
    assert "is damaged" in caplog.text
    (settings.weights.folder / FILE).unlink()
    watch.look()
    assert taken == []  # the ones before are those that work
    use(settings.weights.folder, checkpoint(tmp_path, "good"))
    watch.look()
    assert taken == ["good"]


def test_a_watch_ends_when_it_is_closed(settings: Settings) -> None:
    watch = Watch(settings, "", lambda _: None)
    watch.close()  # it has not begun
    watch = Watch(settings, "", lambda _: None)
    watch.start()
    watch.close()
    assert not watch._thread.is_alive()
