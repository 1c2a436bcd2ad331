"""Bring one of our patches into somebody else's source tree, look whether it is there, or take it out again.

A patch is a folder with a ``patch.toml``: files of ours to copy, and lines to insert beside anchors in theirs. Nothing
is written unless every anchor is found; applying twice changes nothing; undoing leaves each file byte for byte as it
was.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class CannotPatch(Exception):
    """The tree is not what the patch was made for; nothing was changed."""


@dataclass(frozen=True)
class Copy:
    """A file of ours."""

    source: Path
    target: Path

    @property
    def applied(self) -> bool:
        """Whether the tree has it as it is here."""
        return self.target.is_file() and self.source.is_file() and self.target.read_bytes() == self.source.read_bytes()

    def check(self) -> None:
        """Raise `CannotPatch` if our file is missing, or another one is in the way."""
        if not self.source.is_file():
            raise CannotPatch(f"{self.source} is missing: is this checkout complete?")
        if self.target.exists() and not self.applied:
            raise CannotPatch(f"{self.target} already exists and is not ours (or is from another version).")

    def apply(self) -> None:
        """Copy it."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.write_bytes(self.source.read_bytes())

    def undo(self, root: Path) -> None:
        """Remove it, and the folders that it leaves empty."""
        self.target.unlink()
        for folder in self.target.parents:
            if folder == root or any(folder.iterdir()):
                return
            folder.rmdir()


@dataclass(frozen=True)
class Insert:
    """Lines of ours after a line of theirs."""

    target: Path
    after: str
    """A part of exactly one of their lines."""
    text: str

    @property
    def applied(self) -> bool:
        """Whether the lines are there."""
        return self.target.is_file() and self._ours(self._content()) in self._content()

    def check(self) -> None:
        """Raise `CannotPatch` unless the anchor is there, once."""
        if not self.target.is_file():
            raise CannotPatch(f"{self.target} is missing.")
        found = sum(self.after in line for line in self._content().splitlines())
        if not self.applied and found != 1:
            raise CannotPatch(f"{self.target}: the anchor {self.after!r} is there {found} times; it must be once.")

    def apply(self) -> None:
        """Insert the lines."""
        content = self._content()
        lines = content.splitlines(keepends=True)
        place = next(number for number, line in enumerate(lines) if self.after in line)
        self._write("".join([*lines[: place + 1], self._ours(content), *lines[place + 1 :]]))

    def undo(self, _: Path) -> None:
        """Take the lines out."""
        content = self._content()
        self._write(content.replace(self._ours(content), "", 1))

    def _ours(self, content: str) -> str:
        """Give our lines with the line ends that the file has."""
        text = self.text if self.text.endswith("\n") else self.text + "\n"
        return text.replace("\n", "\r\n") if "\r\n" in content else text

    def _content(self) -> str:
        return self.target.read_bytes().decode()

    def _write(self, content: str) -> None:
        self.target.write_bytes(content.encode())


Step = Copy | Insert


def steps_of(patch: Path, tree: Path) -> list[Step]:
    """Read a patch.

    Parameters
    ----------
    patch : Path
        The folder with ``patch.toml``.
    tree : Path
        Where it goes.

    Raises
    ------
    CannotPatch
        One of them is not there; or the tree lacks what the patch recognises it by, or has what it cannot live beside.
    """
    try:
        manifest = tomllib.loads((patch / "patch.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CannotPatch(f"{patch} is not a folder of one of our patches: it has no patch.toml to read.") from error
    if not tree.is_dir():
        raise CannotPatch(f"There is no folder {tree}.")
    for sign in manifest.get("expect", []):
        if not _has(tree, sign):
            raise CannotPatch(f"{tree} is not {manifest['for']}: {sign['file']} lacks {sign.get('text', 'all')!r}.")
    for sign in manifest.get("refuse", []):
        if _has(tree, sign):
            raise CannotPatch(f"{tree / sign['file']}: {sign['because']}")
    copies: list[Step] = []
    for item in manifest.get("copy", []):
        source = patch / item["from"]
        files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        copies += [Copy(file, tree / item["to"] / file.relative_to(source)) for file in files]
    inserts = [Insert(tree / item["file"], item["after"], item["text"]) for item in manifest.get("insert", [])]
    return copies + inserts


def _has(tree: Path, sign: dict[str, str]) -> bool:
    file = tree / sign["file"]
    return file.is_file() and sign.get("text", "") in file.read_text()


def apply(steps: Sequence[Step]) -> None:
    """Check everything, then write what is not there yet."""
    for step in steps:
        step.check()
    for step in steps:
        if not step.applied:
            step.apply()


def undo(steps: Sequence[Step], tree: Path) -> None:
    """Take out what is there; a file of ours that somebody has changed stays."""
    for step in reversed(steps):
        if step.applied:
            step.undo(tree)
        elif step.target.is_file():
            print(f"Left as it is: {step.target} (ours is not in it, or was changed)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 is done or applied, 1 not applied, 2 not possible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patch", type=Path, help="Folder of the patch, such as nginx or core-patch/ce-2025.1.")
    parser.add_argument("tree", type=Path, help="The tree to change.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="Only say whether it is applied or could be.")
    what.add_argument("--undo", action="store_true", help="Remove the patch.")
    asked = parser.parse_args(arguments)
    try:
        steps = steps_of(asked.patch, asked.tree)
        if asked.check:
            return _report(steps)
        if asked.undo:
            undo(steps, asked.tree)
        else:
            apply(steps)
    except CannotPatch as refusal:
        print(f"Cannot patch: {refusal}", file=sys.stderr)
        return 2
    print("Taken out." if asked.undo else "Applied.")
    return 0


def _report(steps: Sequence[Step]) -> int:
    for step in steps:
        step.check()
        print(f"{'applied    ' if step.applied else 'not applied'}  {step.target}")
    return 0 if all(step.applied for step in steps) else 1


if __name__ == "__main__":
    sys.exit(main())
