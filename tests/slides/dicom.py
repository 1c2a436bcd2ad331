"""Writes a DICOM slide of one level in JPEG tiles. Source: DICOM PS3.5 (encoding), PS3.3 A.32.8 (the object)."""

from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image

from tests.slides.writing import Pixels

_LONG = {b"OB", b"SQ"}
_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_JPEG = "1.2.840.10008.1.2.4.50"
_UID = "1.2.826.0.1.3680043.8.498."


def dicom(file: Path, pixels: Pixels, *, tile: int = 128, mm: float = 0.0005) -> None:
    """Write (h, w, 3) uint8 as a slide; `mm` is the size of a pixel."""
    height, width = pixels.shape[:2]
    tiles = [
        _jpeg(pixels[top : top + tile, left : left + tile], tile)
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]
    meta = b"".join([
        _element(0x0002, 0x0001, b"OB", b"\0\1"), _text(0x0002, 0x0002, b"UI", _SLIDE),
        _text(0x0002, 0x0003, b"UI", f"{_UID}1"), _text(0x0002, 0x0010, b"UI", _JPEG),
        _text(0x0002, 0x0012, b"UI", f"{_UID}9"),
    ])  # fmt: skip
    measures = _text(0x0028, 0x0030, b"DS", f"{mm}\\{mm}")
    shared = _sequence(0x0028, 0x9110, measures)
    body = b"".join([
        _text(0x0008, 0x0008, b"CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"), _text(0x0008, 0x0016, b"UI", _SLIDE),
        _text(0x0008, 0x0018, b"UI", f"{_UID}1"), _text(0x0008, 0x0060, b"CS", "SM"),
        _text(0x0020, 0x000D, b"UI", f"{_UID}2"), _text(0x0020, 0x000E, b"UI", f"{_UID}3"),
        _text(0x0020, 0x9311, b"CS", "TILED_FULL"),
        _number(0x0028, 0x0002, 3), _text(0x0028, 0x0004, b"CS", "YBR_FULL_422"), _number(0x0028, 0x0006, 0),
        _text(0x0028, 0x0008, b"IS", str(len(tiles))), _number(0x0028, 0x0010, tile), _number(0x0028, 0x0011, tile),
        _number(0x0028, 0x0100, 8), _number(0x0028, 0x0101, 8), _number(0x0028, 0x0102, 7), _number(0x0028, 0x0103, 0),
        _element(0x0048, 0x0006, b"UL", struct.pack("<I", width)),
        _element(0x0048, 0x0007, b"UL", struct.pack("<I", height)),
        _sequence(0x5200, 0x9229, shared), _pixel_data(tiles),
    ])  # fmt: skip
    length = _element(0x0002, 0x0000, b"UL", struct.pack("<I", len(meta)))
    file.write_bytes(bytes(128) + b"DICM" + length + meta + body)


def _jpeg(pixels: Pixels, tile: int) -> bytes:
    whole = Image.new("RGB", (tile, tile))
    whole.paste(Image.fromarray(pixels))
    stream = io.BytesIO()
    whole.save(stream, "JPEG", quality=90)
    return stream.getvalue() + b"\0" * (stream.tell() % 2)


def _pixel_data(tiles: list[bytes]) -> bytes:
    parts, offset, offsets = [], 0, []
    for tile in tiles:
        parts.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(tile)) + tile)
        offsets.append(struct.pack("<I", offset))
        offset += 8 + len(tile)
    table = b"".join(offsets)
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return b"".join([
        head, struct.pack("<HHI", 0xFFFE, 0xE000, len(table)), table, *parts, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
    ])  # fmt: skip


def _sequence(group: int, number: int, item: bytes) -> bytes:
    return _element(group, number, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item)


def _text(group: int, number: int, kind: bytes, text: str) -> bytes:
    value = text.encode()
    return _element(group, number, kind, value + (b"\0" if kind == b"UI" else b" ") * (len(value) % 2))


def _number(group: int, number: int, value: int) -> bytes:
    return _element(group, number, b"US", struct.pack("<H", value))


def _element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    if kind in _LONG:
        return struct.pack("<HH2sHI", group, number, kind, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value
