import io

import numpy as np
import pytest
from PIL import Image

from app.errors import PlatformUnavailable
from app.imagery.decode import decode_rgb


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
