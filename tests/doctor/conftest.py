"""The model that the doctor runs is loaded once for all that use the same one."""

from __future__ import annotations

import pytest

from app.segmenter import load
from app.segmenter.sam2_segmenter import Sam2Segmenter
from app.segmenter.weights.choice import ChosenWeights
from app.settings import SegmenterSettings

_LOADED: dict[tuple[str, str], Sam2Segmenter] = {}
_load = load.load_segmenter


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(settings: SegmenterSettings, weights: ChosenWeights) -> Sam2Segmenter:
        asked = (settings.model_dump_json(), weights.sha256)
        if asked not in _LOADED:
            _LOADED[asked] = _load(settings, weights)
        return _LOADED[asked]

    monkeypatch.setattr(load, "load_segmenter", kept)
