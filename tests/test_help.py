"""The help of every command line: complete, in sentences, and without what a reader cannot use.

Programs are found by what starts them, so a new one is looked at too.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("app", "bench", "client/cytomine_refine", "demo", "scale", "scripts", "training")
WITHOUT_A_TYPER = {
    "bench.gpu": "runs on machines that have torch and little else",
    "bench.load.plain": "the service that bench.load starts",
}
"""Modules that are run, and are neither Typer programs nor scripts."""


def is_run(file: Path) -> bool:
    return any(
        isinstance(each, ast.If) and ast.unparse(each.test) == "__name__ == '__main__'"
        for each in ast.parse(file.read_text()).body
    )


def started() -> list[str]:
    """Name every module that is run as a program."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if is_run(file))
    return sorted(name.removeprefix("client.").removesuffix(".__main__") for name in names)


def is_plain(name: str) -> bool:
    """Tell whether it is a script that runs without our environment, or needs no more than argparse."""
    return name.startswith("scripts.") and "import typer" not in (ROOT / f"{name.replace('.', '/')}.py").read_text()


PROGRAMS = [name for name in started() if not is_plain(name) and name not in WITHOUT_A_TYPER]
SCRIPTS = [name.removeprefix("scripts.") for name in started() if is_plain(name)]
FOR_SHELLS = {"--install-completion", "--show-completion"}
"""Typer's own, and in its words."""


def program(name: str) -> typer.Typer:
    """Give the program that a module starts."""
    if name == "bench.routing":
        pytest.importorskip("ray")
    for place in (f"{name}.cli", f"{name}.__main__", name):
        try:
            module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name != place:
                raise
            continue
        if isinstance(getattr(module, "app", None), typer.Typer):
            return module.app
        if hasattr(module, "main"):
            return importlib.import_module("bench.commands").program(module.main)
    raise AssertionError(f"{name} is no Typer program: give it the help and the manners of one")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk a program: the words that name each command, and the command."""
    yield path, command
    for name in getattr(command, "commands", {}):
        yield from commands(command.get_command(typer.Context(command), name), (*path, name))


def is_sentence(text: str | None) -> bool:
    return bool(text) and re.fullmatch(r"[A-Z0-9].*[.]", " ".join(text.split()), re.DOTALL) is not None


def test_every_program_is_known() -> None:
    assert {"app", "bench", "bench.load", "cytomine_refine", "demo", "scale", "training"} <= set(PROGRAMS)
    assert {"join", "patch", "release_check"} <= set(SCRIPTS)
    assert set(WITHOUT_A_TYPER) <= set(started())


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_option_is_explained(name: str) -> None:
    complaints = []
    for path, command in commands(typer.main.get_command(program(name))):
        said = (command.help or "").partition("\f")[0]
        if not is_sentence(said):
            complaints.append(f"{' '.join(path)}: {said!r}")
        for each in command.get_params(typer.Context(command)):
            explained = getattr(each, "help", None)
            if not (is_sentence(explained) or FOR_SHELLS & set(each.opts) or "--help" in each.opts):
                complaints.append(f"{' '.join((*path, each.opts[0]))}: {explained!r}")
            if each.param_type_name == "argument" and each.metavar != (each.metavar or "").upper():
                complaints.append(f"{' '.join((*path, each.opts[0]))}: {each.metavar!r} is not in capitals")
    assert complaints == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_help_shows_flags_without_a_value(name: str) -> None:
    found = program(name)
    for path, command in commands(typer.main.get_command(found)):
        if command.context_settings.get("help_option_names") == []:
            continue  # its help is another program's
        shown = CliRunner().invoke(found, [*path, "--help"], terminal_width=120)
        assert shown.exit_code == 0, shown.output
        assert "bool" not in shown.output, path
        assert re.search(r"\[default: (None|False|True)?\]", shown.output) is None, path


@pytest.mark.parametrize("name", PROGRAMS)
def test_wrong_usage_is_one_line_that_names_the_help(name: str) -> None:
    found = program(name)
    for path, command in commands(typer.main.get_command(found)):
        if command.context_settings.get("help_option_names") == []:
            continue
        refused = CliRunner().invoke(found, [*path, "--no-such-option"])
        assert refused.exit_code == 2, (path, refused.output)
        assert refused.stdout == ""
        (line,) = refused.stderr.splitlines()
        assert line.startswith("error: No such option: --no-such-option")
        assert line.endswith(" ".join((*path, "--help")))


@pytest.mark.long
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_explain_themselves(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / f"{name}.py", "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    options = re.findall(r"^  (-?[\w-]+(?: \w+)?(?:, --\w+)?) {2,}(\S.*)$", done.stdout, re.MULTILINE)
    assert [text for _, text in options if not text[0].isupper()] == ["show this help message and exit"]
    assert not list(tmp_path.iterdir())
