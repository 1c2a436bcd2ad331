from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights import (
    REGISTRY,
    WeightsEntry,
    check_file,
    choose,
    file_sha256,
    find_digest,
    find_name,
    verify,
)
from app.settings import SegmenterSettings, Settings, WeightsSettings
from tests.segmenter.pulling import BODY, OTHER_BODY, entry_at


def test_check_file_gives_the_digest_of_a_right_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(BODY)
    assert check_file(path, entry_at("http://x")) == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("content", "words"), [(BODY[:-1], "has 1,499,999 bytes"), (b"", "has 0 bytes"), (OTHER_BODY, "has sha256")]
)
def test_check_file_refuses_what_is_truncated_or_other(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=words):
        check_file(path, entry_at("http://x"))


@pytest.mark.parametrize("look", [file_sha256, lambda path: check_file(path, entry_at("http://x"))])
def test_a_missing_file_is_unavailable(tmp_path: Path, look: object) -> None:
    assert callable(look)
    with pytest.raises(WeightsUnavailable, match="No such file"):
        look(tmp_path / "missing.pt")


def test_verify_of_a_file_without_a_known_config_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(BODY)
    found = verify(path)
    assert (found.name, found.config) == (None, None)
    assert (found.size_bytes, found.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())


def test_verify_with_a_config_loads_strictly(tmp_path: Path) -> None:
    import torch

    from app.segmenter.checkpoint import build_model

    state = build_model("embedded").state_dict()
    torch.save({"model": state}, tmp_path / "good.pt")
    assert verify(tmp_path / "good.pt", config="embedded").config == "embedded"

    state.pop(next(iter(state)))
    torch.save({"model": state}, tmp_path / "bad.pt")
    with pytest.raises(WeightsCorrupt, match="missing"):
        verify(tmp_path / "bad.pt", config="embedded")


def test_verify_with_an_entry_refuses_before_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(OTHER_BODY)
    with pytest.raises(WeightsCorrupt, match="has sha256"):
        verify(path, entry=entry_at("http://x"))


def settings_with(
    folder: Path,
    *,
    checkpoint: Path | None = None,
    sha256: str | None = None,
    config: str = "some.yaml",
    demo_model: bool = False,
) -> Settings:
    return Settings(
        segmenter=SegmenterSettings(checkpoint=checkpoint, sha256=sha256, config=config, demo_model=demo_model),
        weights=WeightsSettings(folder=folder),
    )


def test_without_weights_nothing_runs_unless_the_demo_model_is_wanted(tmp_path: Path) -> None:
    said = r"no such folder.*weights pull.*DEMO_MODEL=true.*not meant for annotation work"
    with pytest.raises(WeightsUnavailable, match=said):
        choose(settings_with(tmp_path / "no such folder"))
    chosen = choose(settings_with(tmp_path / "no such folder", demo_model=True))
    assert (chosen.origin, chosen.name, chosen.config) == ("embedded", "embedded", "embedded")
    assert chosen.sha256 == file_sha256(chosen.path)
    assert "EMBEDDED DEMO MODEL, not meant for annotation" in chosen.description


def test_pulled_weights_come_before_the_embedded_model_in_the_order_of_the_registry(tmp_path: Path) -> None:
    def named(name: str, body: bytes) -> WeightsEntry:
        return WeightsEntry(name, "", "http://x", len(body), hashlib.sha256(body).hexdigest(), f"{name}.yaml")

    registry = (named("first", BODY), named("second", OTHER_BODY))
    (tmp_path / "second.pt").write_bytes(OTHER_BODY)
    (tmp_path / "first.pt.part").write_bytes(BODY)
    chosen = choose(settings_with(tmp_path), registry)
    assert (chosen.name, chosen.origin, chosen.config) == ("second", "pulled", "second.yaml")

    (tmp_path / "first.pt").write_bytes(BODY)
    chosen = choose(settings_with(tmp_path), registry)
    assert (chosen.name, chosen.sha256) == ("first", hashlib.sha256(BODY).hexdigest())
    assert str(tmp_path / "first.pt") in chosen.description


def test_the_configured_checkpoint_comes_first(tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(BODY)
    mine = tmp_path / "mine.pt"
    mine.write_bytes(OTHER_BODY)
    chosen = choose(settings_with(tmp_path, checkpoint=mine), [entry_at("http://x")])
    assert (chosen.name, chosen.path, chosen.config, chosen.origin) == ("mine", mine, "some.yaml", "configured")


def test_a_pulled_file_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "thesis.pt").write_bytes(BODY[:-1])
    with pytest.raises(WeightsCorrupt, match="weights pull thesis"):
        choose(settings_with(tmp_path), [entry_at("http://x")])


def test_a_configured_checkpoint_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="No such file"):
        choose(settings_with(tmp_path, checkpoint=tmp_path / "missing.pt"))


@pytest.mark.parametrize("configured", [True, False])
def test_a_digest_in_the_settings_holds_whatever_is_chosen(tmp_path: Path, configured: bool) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(BODY)
    checkpoint = mine if configured else None
    with pytest.raises(WeightsCorrupt, match="REFINE_SEGMENTER__SHA256"):
        choose(settings_with(tmp_path, checkpoint=checkpoint, sha256="0" * 64, demo_model=True))
    right = choose(settings_with(tmp_path, checkpoint=checkpoint, demo_model=True)).sha256
    given = settings_with(tmp_path, checkpoint=checkpoint, sha256=right, demo_model=True)
    assert choose(given).sha256 == right


def test_every_entry_is_pinned_and_has_a_config_of_its_own_package() -> None:
    from app.segmenter.checkpoint import find_config

    assert REGISTRY[0].name == "thesis"
    assert len({entry.name for entry in REGISTRY}) == len({entry.sha256 for entry in REGISTRY}) == len(REGISTRY)
    for entry in REGISTRY:
        assert urlsplit(entry.url).scheme == "https"
        assert len(entry.sha256) == 64
        assert find_config(entry.config).is_file()
        assert find_name(entry.name) is find_digest(entry.sha256) is entry


def test_names_may_be_written_as_people_write_them() -> None:
    assert find_name("base-plus") == find_name("BASE_PLUS") == find_name("base_plus") is not None
    assert find_name("thesis.pt") is None
    assert find_digest("0" * 64) is None


def test_weights_are_handled_without_torch() -> None:
    script = "import sys, app.cli, app.segmenter.weights; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
