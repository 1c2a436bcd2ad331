"""One suite for the model's door, run on a segmenter in this process and on replicas of it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from app.errors import CallerGone, ModelBusy
from app.geometry.frames import WindowXY
from app.geometry.judgement import UNJUDGED
from app.geometry.prompts import PointLabel, Prompts
from app.geometry.windows import WindowGrid, WindowImage
from app.segmenter.weights import choose
from app.settings import SegmenterSettings, Settings
from app.usecases.ports import Claim, Segmenter
from tests import ray_lab
from tests.lab import ON_RAY
from tests.waiting import until

SETTINGS = Settings(segmenter=SegmenterSettings(device="cpu", max_waiting=3, demo_model=True))
NOBODY = np.empty((0, 2))
KINDS = ["local", "remote"] if ON_RAY else ["local"]


def window(x: int, y: int, radius: int = 40) -> WindowImage:
    """Draw a dark disc on white."""
    rows, columns = np.indices((256, 256))
    inside = np.hypot(columns - x, rows - y) < radius
    return WindowImage(np.where(inside[..., None], np.uint8(40), np.uint8(255)).repeat(3, 2), WindowGrid(0, 0, 1, 1))


def box(x: int, y: int, half: int = 50) -> Prompts:
    return Prompts(WindowXY(np.array([[x - half, y - half], [x + half, y + half]])), WindowXY(NOBODY), ())


@pytest.fixture(scope="module", params=KINDS)
def segmenter(request: pytest.FixtureRequest) -> Iterator[Segmenter]:
    """Encodes in a fifth of a second; three may wait."""
    from tests.scale.models import fixed

    if request.param == "local":
        made = fixed(SETTINGS)
        yield made
        made.close()
    else:
        with ray_lab.segmenter("tests.scale.models:fixed", SETTINGS) as remote:
            yield remote


ENGINES = ["torch-float32", "torch-bfloat16", "openvino-float32", pytest.param("openvino-int8", marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=[*ENGINES, *KINDS[1:]])
def embedded(request: pytest.FixtureRequest, engines: Path) -> Iterator[Segmenter]:
    """Runs the embedded model."""
    if request.param != "remote":
        made = on_engine(request.param, engines)
        yield made
        made.close()
    else:
        with ray_lab.segmenter("scale.model:load", SETTINGS) as remote:
            yield remote


def on_engine(name: str, folder: Path) -> Segmenter:
    from app.segmenter.engines.openvino_engine import why_not
    from app.segmenter.load import load_segmenter

    kind, _, precision = name.partition("-")
    if kind == "openvino":
        reason = why_not(precision) or (find_spec("nncf") is None and precision == "int8" and "NNCF is not installed")
        if reason:
            pytest.skip(str(reason))
    given = SegmenterSettings(device="cpu", engine=name, engine_folder=folder, demo_model=True)  # type: ignore[arg-type]
    pixels = [window(x, 128).pixels for x in (90, 128, 160, 190)] if precision == "int8" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own, of torch.jit
        return load_segmenter(given, choose(SETTINGS), pixels)


def test_tells_what_it_is(segmenter: Segmenter) -> None:
    segmenter.warm_up()
    assert segmenter.info.name == "timed"
    assert segmenter.input_side_px == 256


def test_finds_what_is_in_the_window(segmenter: Segmenter) -> None:
    embedding = segmenter.encode(window(100, 120), Claim())
    masks = segmenter.decode(embedding, box(100, 120))
    found = masks.logits[masks.best] > 0
    assert embedding.nbytes > 0
    assert (found[120, 100], found.sum()) == (True, pytest.approx(np.pi * 40**2, rel=0.02))


def test_several_objects_are_decoded_as_one_after_the_other(segmenter: Segmenter) -> None:
    embedding = segmenter.encode(window(100, 120), Claim())
    prompts = [box(100, 120), box(30, 30), box(100, 120)]
    together, alone = segmenter.decode_each(embedding, prompts), [segmenter.decode(embedding, each) for each in prompts]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.logits, other.logits)
    assert segmenter.decode_each(embedding, []) == []


def test_tells_what_the_encoder_saw_over_the_whole_window(segmenter: Segmenter) -> None:
    features = segmenter.features(segmenter.encode(window(100, 120), Claim()))
    assert features.dtype == np.float32
    assert features.ndim == 3
    assert np.isfinite(features).all()


def test_embeddings_do_not_meet(segmenter: Segmenter) -> None:
    places = [(60, 60), (190, 60), (60, 190)]
    with ThreadPoolExecutor(3) as pool:
        embeddings = list(pool.map(lambda place: segmenter.encode(window(*place), Claim()), places))
        found = list(pool.map(lambda at: segmenter.decode(embeddings[at], box(*places[at])), [0, 1, 2, 1, 0]))
    for at, masks in zip([0, 1, 2, 1, 0], found, strict=True):
        x, y = places[at]
        rows, columns = np.nonzero(masks.logits[1] > 0)
        assert (columns.mean(), rows.mean()) == (pytest.approx(x, abs=1), pytest.approx(y, abs=1))


def test_a_full_line_refuses_with_its_facts(segmenter: Segmenter) -> None:
    refused: list[BaseException] = []

    def full() -> bool:
        with ThreadPoolExecutor(6) as pool:
            futures = [pool.submit(segmenter.encode, window(9, 9), Claim(user)) for user in range(6)]
            refused.extend(error for future in futures if (error := future.exception()))
        return bool(refused)

    until(full, "six who come at once")  # on a busy machine they may come one after the other
    for error in refused:
        assert type(error) is ModelBusy
        assert error.facts == {"waiting": 3}
        assert error.retry_after_s >= 1


def test_who_cannot_be_served_in_time_is_told(segmenter: Segmenter) -> None:
    with pytest.raises(ModelBusy):
        segmenter.encode(window(9, 9), Claim(deadline=time.monotonic() + 0.01))


def test_who_gives_up_leaves_the_line(segmenter: Segmenter) -> None:
    def left() -> bool:
        gone: list[bool] = []
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(segmenter.encode, window(9, 9), Claim("a"))
            time.sleep(0.05)
            second = pool.submit(segmenter.encode, window(9, 9), Claim("b", given_up=lambda: bool(gone)))
            gone.append(True)
            assert first.result().nbytes > 0
            return isinstance(second.exception(), CallerGone)

    until(left, "somebody who gave up while still in line")  # on a busy machine a turn may come before that is noticed


def test_a_place_may_be_used_or_given_back(segmenter: Segmenter) -> None:
    with segmenter.place(Claim("a")) as encode:
        embedding = encode(window(100, 120))
    with segmenter.place(Claim("a")):
        pass
    assert segmenter.decode(embedding, box(100, 120)).best == 1
    assert segmenter.load.waiting == 0


def test_a_click_goes_before_work_ahead_of_a_click(segmenter: Segmenter) -> None:
    def order() -> list[str]:
        done: list[str] = []

        def encode(name: str, claim: Claim) -> None:
            segmenter.encode(window(9, 9), claim)
            done.append(name)

        with ThreadPoolExecutor(3) as pool:
            for name, claim in (("first", Claim("a")), ("ahead", Claim("b", ahead=True)), ("click", Claim("c"))):
                pool.submit(encode, name, claim)
                time.sleep(0.05)
        return done

    # On a busy machine the click may come only after the turn of the work ahead.
    until(lambda: order() == ["first", "click", "ahead"], "a click that overtook work ahead", 60)


def test_the_masks_are_those_of_the_model(embedded: Segmenter) -> None:
    image = window(128, 128)
    masks = embedded.decode(embedded.encode(image, Claim()), box(128, 128))
    assert masks.logits.shape[0] == len(masks.scores) == 3
    assert masks.single is not None
    assert masks.single.logits.shape == masks.logits.shape[1:]
    assert 0 <= masks.single.score <= 1
    again = embedded.decode(embedded.encode(image, Claim()), box(128, 128))
    assert np.allclose(masks.logits, again.logits, atol=1e-4)
    for wish in ("best", "single"):
        found = masks.of(masks.named(wish)).logits > 0
        scale = found.shape[0] / 256
        assert found.sum() / scale**2 == pytest.approx(np.pi * 40**2, rel=0.25)


def test_how_to_judge_the_masks_comes_with_the_model(embedded: Segmenter) -> None:
    assert embedded.info.judgement == choose(SETTINGS).judgement != UNJUDGED


def test_every_engine_decodes_several_objects_of_a_window_at_a_time(embedded: Segmenter) -> None:
    embedding = embedded.encode(window(128, 128), Claim())
    pointed = Prompts(WindowXY(NOBODY), WindowXY(np.array([[128.0, 128.0]])), (PointLabel.FOREGROUND,))
    prompts = [box(128, 128), pointed, box(60, 60), box(128, 128)]
    alone = [embedded.decode(embedding, each) for each in prompts]
    for one, other in zip(embedded.decode_each(embedding, prompts), alone, strict=True):
        assert np.allclose(one.logits, other.logits, atol=0.05 * np.abs(other.logits).max())
        assert np.allclose(one.scores, other.scores, atol=0.02)
    assert embedded.features(embedding).shape == (176, 32, 32)
