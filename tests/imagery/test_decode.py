import io

import numpy as np
import pytest
from PIL import Image

from app.errors import BrokenImage, ModelBusy, PlatformUnavailable
from app.imagery import decode
from app.imagery.decode import DECODING, decode_rgb, read_rgb
from app.usecases.ports import Claim


def encoded(array: np.ndarray, kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


RGB = np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def test_rgb_is_read_as_it_is() -> None:
    assert np.array_equal(decode_rgb(encoded(RGB), width=30, height=20), RGB)


def test_one_pixel_of_rounding_is_accepted() -> None:
    assert decode_rgb(encoded(RGB), width=31, height=19).shape == (20, 30, 3)


def test_gray_becomes_three_channels() -> None:
    gray = decode_rgb(encoded(RGB[..., 0]), width=30, height=20)
    assert gray.shape == (20, 30, 3)
    assert np.array_equal(gray[..., 2], RGB[..., 0])


def test_sixteen_bits_are_scaled_by_their_full_range() -> None:
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16)
    assert decode_rgb(encoded(values), width=5, height=1)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_transparent_pixels_show_white() -> None:
    rgba = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    pixels = decode_rgb(encoded(rgba), width=30, height=20)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(pixels[1:], RGB[1:])


def test_palettes_and_jpeg_are_read() -> None:
    file = io.BytesIO()
    Image.fromarray(RGB).convert("P").save(file, "png")
    assert decode_rgb(file.getvalue(), width=30, height=20).shape == (20, 30, 3)
    assert decode_rgb(encoded(RGB, "jpeg"), width=30, height=20).shape == (20, 30, 3)


@pytest.mark.parametrize("cut", [0, 5, 40, 200, -100])
def test_truncated_images_are_refused(cut: int) -> None:
    with pytest.raises(PlatformUnavailable):
        decode_rgb(encoded(RGB)[:cut], width=30, height=20)


@pytest.mark.parametrize("content", [b"<html>no</html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 64])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(PlatformUnavailable):
        decode_rgb(content, width=30, height=20)


@pytest.mark.parametrize(("width", "height"), [(15, 10), (60, 40), (30, 30), (20, 30)])
def test_images_of_another_size_are_refused(width: int, height: int) -> None:
    with pytest.raises(PlatformUnavailable) as caught:
        decode_rgb(encoded(RGB), width=width, height=height)
    assert caught.value.facts["received"] == [30, 20]


DRAWN = Image.fromarray(np.dstack([RGB, RGB[..., 1]]))
SIXTEEN = Image.fromarray(np.random.default_rng(2).integers(0, 65535, (20, 30), dtype=np.uint16))


def saved(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(saved(DRAWN.convert(mode)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        saved(DRAWN.convert("P"), transparency=3),
        saved(DRAWN.convert("L"), transparency=7),
        saved(DRAWN.convert("RGB"), transparency=tuple(int(value) for value in RGB[3, 4])),
        saved(SIXTEEN),
        *(saved(DRAWN.convert(mode), "jpeg", progressive=mode == "RGB") for mode in ("L", "RGB", "CMYK")),
    ],
    ids=["1", "L", "LA", "P", "RGB", "RGBA", "P clear", "L clear", "RGB clear", "16", "jpeg L", "jpeg", "jpeg CMYK"],
)
def test_an_image_is_the_same_strip_by_strip(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = read_rgb(content)
    monkeypatch.setattr(decode, "_STRIP_PIXELS", 100)
    assert np.array_equal(read_rgb(content), at_once)
    assert at_once.shape == (20, 30, 3)
    assert at_once.std() > 1


@pytest.mark.parametrize("kind", ["eps", "tiff", "webp", "gif", "bmp", "dds", "ico", "ppm", "tga"])
def test_formats_that_cytomine_does_not_send_are_not_even_tried(kind: str) -> None:
    with pytest.raises(BrokenImage, match="PNG"):
        read_rgb(saved(DRAWN.convert("RGB"), kind))


def test_whatever_a_decoder_raises_means_a_broken_image() -> None:
    rng = np.random.default_rng(4)
    whole = [saved(DRAWN), saved(DRAWN.convert("P")), saved(DRAWN.convert("RGB"), "jpeg", progressive=True)]
    refused = []
    for turn in range(600):
        content = bytearray(whole[turn % len(whole)])
        for at in rng.integers(2, len(content), 3):
            content[at] = rng.integers(256)
        try:
            read_rgb(bytes(content))
        except BrokenImage as error:
            refused.append(error.detail)
    assert len(refused) > 100
    assert all(detail.isprintable() and len(detail) < 100 for detail in refused)


@pytest.mark.parametrize(
    ("content", "per_pixel"),
    [
        (saved(DRAWN), 7),
        (saved(DRAWN.convert("L")), 4),
        (saved(SIXTEEN), 5),
        (saved(DRAWN.convert("RGB"), "jpeg"), 7),
        (saved(DRAWN.convert("RGB"), "jpeg", progressive=True), 15),
    ],
    ids=["RGBA", "L", "16", "jpeg", "progressive"],
)
def test_what_is_decoded_counts_in_bytes_until_nobody_needs_it(content: bytes, per_pixel: int) -> None:
    with decode.opened(content) as image:
        assert DECODING.inside == 0
        with decode.decoded(image, Claim()):
            assert DECODING.inside == 20 * 30 * per_pixel
    assert DECODING.inside == 0


def test_no_memory_until_the_deadline_is_busy_and_nobodys_fault() -> None:
    claim = Claim(deadline=0.0)
    with DECODING.taking(DECODING.most_bytes, Claim()), pytest.raises(ModelBusy) as caught:
        decode_rgb(encoded(RGB), width=30, height=20, claim=claim)
    assert caught.value.retry_after_s >= 1
    assert decode_rgb(encoded(RGB), width=30, height=20, claim=claim).shape == (20, 30, 3)


def test_memory_that_is_really_gone_is_busy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ModelBusy):
        read_rgb(encoded(RGB))
