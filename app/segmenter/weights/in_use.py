"""Which checkpoint an operator has put to use, and those before it: a small file in the folder of the weights.

Whatever the settings lead to is the ground of the stack; `use` puts a checkpoint on it, `back` takes the last one off.
The file changes in one step, so a service that looks at it while it runs sees the old stack or the new one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath

from app.errors import WeightsCorrupt, WeightsUnavailable
from app.segmenter.weights.card import card_of
from app.segmenter.weights.checks import file_sha256

FILE = "in-use.json"
_KEPT_IN = "used"
_DIGEST_CHARACTERS = 12
_MOST_BYTES = 2**16


def in_use(folder: Path) -> Path | None:
    """Give the checkpoint that was put to use last; None where the settings decide.

    Raises
    ------
    WeightsCorrupt
        The file is damaged, or names what lies outside of the folder.
    """
    stack = _read(folder)
    return folder / stack[-1] if stack else None


def use(folder: Path, checkpoint: Path) -> Path:
    """Put a checkpoint to use; a copy of it, and of its card, is kept in the folder.

    Returns
    -------
    Path
        What is in use from now on.

    Raises
    ------
    WeightsUnavailable
        It, or the folder, cannot be read or written.
    WeightsCorrupt
        The stack is damaged.
    """
    stack = _read(folder)
    name = _kept(folder, checkpoint)
    if not stack or stack[-1] != name:
        _write(folder, [*stack, name])
    return folder / name


def back(folder: Path) -> Path | None:
    """Take the last checkpoint off; gives the one that works from now on, None where the settings decide.

    Raises
    ------
    WeightsUnavailable
        Nothing was put to use, or the folder cannot be written.
    WeightsCorrupt
        The stack is damaged.
    """
    stack = _read(folder)
    if not stack:
        raise WeightsUnavailable(f"No checkpoint was put to use in {folder}: there is nothing to go back from.")
    _write(folder, stack[:-1])
    return in_use(folder)


def text_of(folder: Path) -> bytes:
    """Give what the file holds, for a look whether it has changed; empty where there is none."""
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return b""


def _kept(folder: Path, checkpoint: Path) -> str:
    """Copy a checkpoint into the folder, unless it lies there; gives its name in it."""
    digest = file_sha256(checkpoint)
    if checkpoint.resolve().is_relative_to(folder.resolve()):
        return checkpoint.resolve().relative_to(folder.resolve()).as_posix()
    target = folder / _KEPT_IN / f"{checkpoint.stem}-{digest[:_DIGEST_CHARACTERS]}.pt"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if card_of(checkpoint).is_file():
            _copy(card_of(checkpoint), card_of(target))
        _copy(checkpoint, target)
    except OSError as error:
        raise WeightsUnavailable(f"{checkpoint} cannot be kept in {folder}: {error.strerror}.") from error
    return target.relative_to(folder).as_posix()


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def _read(folder: Path) -> list[str]:
    text = text_of(folder)
    if not text:
        return []
    try:
        names = json.loads(text)["stack"]
        if len(text) > _MOST_BYTES or not isinstance(names, list) or not all(_is_inside(name) for name in names):
            raise ValueError("it names a file that is not in this folder")
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsCorrupt(f"{folder / FILE} is damaged ({error}): delete it to let the settings decide.") from error
    return list(names)


def _is_inside(name: object) -> bool:
    if not isinstance(name, str):
        return False
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _write(folder: Path, stack: list[str]) -> None:
    part = folder / f"{FILE}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"stack": stack}, indent=1) + "\n", encoding="utf-8")
        part.replace(folder / FILE)
    except OSError as error:
        raise WeightsUnavailable(f"{folder / FILE} cannot be written: {error.strerror}.") from error
