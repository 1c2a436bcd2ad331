"""Our patches go into a tree, tell whether they are there, and come out without a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "patch.py"
MANIFEST = """
for = "a tree of the tests"
expect = [{ file = "version.txt", text = "3.1" }]
refuse = [{ file = "old.txt", because = "an older addition is there; remove it first" }]
[[copy]]
from = "files"
to = "src/refine"
[[insert]]
file = "src/main.vue"
after = "<div class='actions'>"
text = "  <refine-button />"
"""
THEIRS = "<template>\n <div class='actions'>\n </div>\n</template>"


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    folder = tmp_path / "patch"
    (folder / "files" / "deep").mkdir(parents=True)
    (folder / "patch.toml").write_text(MANIFEST)
    (folder / "files" / "Button.vue").write_text("ours\n")
    (folder / "files" / "deep" / "words.js").write_bytes(b"words\r\n")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / "version.txt").write_text("3.1.1")
    (root / "src" / "main.vue").write_bytes(THEIRS.encode())
    return root


def run(patch: Path, tree: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, patch, tree, *options], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def content(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_there_and_back_leaves_every_byte(patch: Path, tree: Path, ends: str) -> None:
    (tree / "src" / "main.vue").write_bytes(THEIRS.replace("\n", ends).encode())
    before = content(tree)
    assert run(patch, tree, "--check")[0] == 1
    assert run(patch, tree)[0] == 0
    after = content(tree)
    assert after["src/refine/deep/words.js"] == b"words\r\n"
    assert f"<div class='actions'>{ends}  <refine-button />{ends}" in after["src/main.vue"].decode()
    assert run(patch, tree, "--check")[0] == 0
    assert run(patch, tree) == (0, "Applied.\n")
    assert content(tree) == after
    assert run(patch, tree, "--undo")[0] == 0
    assert content(tree) == before
    assert not (tree / "src" / "refine").exists()
    assert run(patch, tree, "--undo")[0] == 0
    assert content(tree) == before


@pytest.mark.parametrize("theirs", ["<template></template>", THEIRS + THEIRS])
def test_without_one_clear_anchor_nothing_is_changed(patch: Path, tree: Path, theirs: str) -> None:
    (tree / "src" / "main.vue").write_text(theirs)
    before = content(tree)
    for options in ([], ["--check"]):
        code, said = run(patch, tree, *options)
        assert code == 2
        assert "main.vue: the anchor" in said
    assert content(tree) == before


def test_another_tree_is_refused(patch: Path, tree: Path) -> None:
    (tree / "version.txt").write_text("2.0")
    assert run(patch, tree) == (2, f"Cannot patch: {tree} is not a tree of the tests: version.txt lacks '3.1'.\n")
    (tree / "version.txt").unlink()
    assert run(patch, tree)[0] == 2


def test_what_cannot_live_beside_ours_is_named(patch: Path, tree: Path) -> None:
    (tree / "old.txt").write_text("")
    code, said = run(patch, tree)
    assert code == 2
    assert "remove it first" in said


def test_files_in_the_way_are_not_written_over(patch: Path, tree: Path) -> None:
    (tree / "src" / "refine").mkdir()
    (tree / "src" / "refine" / "Button.vue").write_text("theirs")
    before = content(tree)
    assert run(patch, tree)[0] == 2
    assert content(tree) == before


def test_a_file_of_ours_that_was_changed_stays(patch: Path, tree: Path) -> None:
    run(patch, tree)
    (tree / "src" / "refine" / "Button.vue").write_text("ours, and then mine")
    code, said = run(patch, tree, "--undo")
    assert code == 0
    assert "Left as it is" in said
    assert "src/refine/Button.vue" in content(tree)


def test_a_patch_that_lacks_a_file_changes_nothing(patch: Path, tree: Path) -> None:
    manifest = patch / "patch.toml"
    manifest.write_text(manifest.read_text() + '[[copy]]\nfrom = "lost.js"\nto = "lost.js"\n')
    before = content(tree)
    code, said = run(patch, tree)
    assert code == 2
    assert "lost.js is missing" in said
    assert content(tree) == before
