"""Files of a dataset: each is there as a whole, or not at all."""

from __future__ import annotations

from pathlib import Path

PART = ".part"
"""What is being written."""


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that whoever looks, and whatever happens, sees the old one or the new one."""
    part = file.with_name(f"{file.name}{PART}")
    part.write_bytes(content)
    part.replace(file)
