"""Reading of annotation files as people have them: packed or not, with a byte order mark, damaged, or hostile."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from training.errors import BrokenSource

MOST_BYTES = 4 << 30
"""Unpacked; a file of more is no annotation file, but may be a bomb."""
_READABLE_IN_ZIP = (".geojson", ".json")


def read_json(file: Path) -> Any:
    """Read a JSON file, also in gzip or as the one file of a ZIP.

    Raises
    ------
    BrokenSource
        It is none; says why.
    """
    try:
        return json.loads(_unpacked(file).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BrokenSource(f"{file.name} is not UTF-8 text") from error
    except RecursionError as error:
        raise BrokenSource(f"{file.name} is nested too deeply") from error
    except ValueError as error:
        raise BrokenSource(f"{file.name} is not readable JSON: {error}") from error


def read_xml(file: Path) -> Element:
    """Read an XML file; entities, with which a small file fills the memory, are refused.

    Raises
    ------
    BrokenSource
        It is none, or says what no annotation file needs to say.
    """
    try:
        return fromstring(_unpacked(file), forbid_dtd=True)  # type: ignore[no-any-return]
    except DefusedXmlException as error:
        raise BrokenSource(f"{file.name} declares types or entities, which no annotation file needs") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise BrokenSource(f"{file.name} is not readable XML: {error}") from error


def _unpacked(file: Path) -> bytes:
    try:
        if file.suffix.lower() == ".gz":
            with gzip.open(file) as stream:
                raw = stream.read(MOST_BYTES + 1)
        elif file.suffix.lower() == ".zip":
            raw = _from_zip(file)
        else:
            with file.open("rb") as plain:
                raw = plain.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BrokenSource(f"{file.name} cannot be read: {error}") from error
    if len(raw) > MOST_BYTES:
        raise BrokenSource(f"{file.name} has more than {MOST_BYTES >> 30} GiB")
    return raw


def _from_zip(file: Path) -> bytes:
    with zipfile.ZipFile(file) as packed:
        inside = [name for name in packed.namelist() if name.lower().endswith(_READABLE_IN_ZIP)]
        if len(inside) != 1:
            raise BrokenSource(f"{file.name} should hold one GeoJSON file, not {len(inside)}")
        with packed.open(inside[0]) as stream:
            return stream.read(MOST_BYTES + 1)
