"""The guides' commands: each block names the test that runs it, or says why none can; some are run here as they stand.

Where a guide says `docker`, these tests put a stand-in that knows only the calls of the guide, and fails at any other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
import typer.core
import typer.main
import yaml

from scripts.pages.links import ROOT, pages
from tests.docker.test_join import compose

GUIDES = ("docs/install-ce-2025.1.md", "docs/install-2026.md")
_NO_GUIDES = ("docs/decisions/", "bench/", "CHANGELOG.md", "CONTRIBUTING.md")
_BLOCK = re.compile(r"(?:<!-- (.*?) -->\n)?```(sh|js|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOCKER = """\
#!/bin/sh
echo "$@" >> "$DOCKER_CALLS"
case "$*" in
    *" config --format json") cat "$COMPOSE_SAYS" ;;
    *" cp nginx:/cm_configs_default/etc/nginx/nginx.conf.sample "*) cp "$SAMPLE" configs/nginx/etc/nginx/ ;;
    *" ps -q nginx") echo the-container ;;
    *" images -q nginx") echo the-image ;;
    "inspect "*"the-container") echo cytomine-ce_cytomine-network ;;
    "run --rm --network cytomine-ce_cytomine-network "*" the-image nginx -t") ;;
    *) echo "unexpected: docker $*" >&2; exit 1 ;;
esac
"""


def blocks(page: str) -> list[tuple[str, str]]:
    """Give the marks and the commands of a guide."""
    return [(mark, text) for mark, _, text in _BLOCK.findall((ROOT / page).read_text())]


def block_of(test: str, page: str = GUIDES[0]) -> str:
    """Give the commands that name a test."""
    (found,) = (text for mark, text in blocks(page) if mark.endswith(f"::{test}"))
    return found


def with_commands() -> list[str]:
    """Give the pages whose commands users type."""
    names = [str(page.relative_to(ROOT)) for page in pages()]
    return [name for name in names if not name.startswith(_NO_GUIDES) and blocks(name)]


def test_the_guides_are_found() -> None:
    assert {*GUIDES, "README.md", "docs/scripts.md", "docs/develop-in-cytomine.md", "training/README.md"} <= {
        *with_commands()
    }
    assert min(len(blocks(page)) for page in GUIDES) >= 5


@pytest.mark.parametrize("page", with_commands())
def test_every_block_names_its_test_or_says_why_there_is_none(page: str) -> None:
    for mark, _ in blocks(page):
        kind, _, rest = mark.partition(": ")
        assert kind in {"test", "not run"}, f"{page}: a block without a mark, or with {mark!r}"
        if kind == "test":
            file, _, name = rest.partition("::")
            assert (ROOT / file).is_file(), rest
            assert not name or f"def {name}(" in (ROOT / file).read_text(), rest
        for file in re.findall(r"\btests/[\w/]+\.py", rest):
            assert (ROOT / file).is_file(), rest


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Give the calls of this project's programs in a block: program, words."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for start in re.finditer(
            r"(?:^|/bin/)(refine) (?=[a-z-])|(?:^|[\s/])(python -m (?:app|training|scale|demo)) ", line
        ):
            words = re.split(r" [|>&;#]", line[start.end() :])[0].replace('"', "").split()
            found.append((start[1] or start[2], words))
    return found


def program(name: str) -> click.Command:
    """Give a program as its parser knows it."""
    import app.cli
    import cytomine_refine.cli
    import demo.__main__
    import scale.__main__
    import training.cli

    programs = {
        "refine": cytomine_refine.cli.app,
        "python -m app": app.cli.app,
        "python -m training": training.cli.app,
        "python -m demo": demo.__main__.app,
        "python -m scale": scale.__main__.app,
    }
    return typer.main.get_command(programs[name])


def unknown_words(name: str, words: list[str]) -> list[str]:
    """Give subcommands and options that a program does not have."""
    command, rest = program(name), [*words]
    while rest and isinstance(command, typer.core.TyperGroup) and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return [rest[0]]
        command = command.commands[rest.pop(0)]
    if command.context_settings.get("ignore_unknown_options"):
        return []  # handed over to the client
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


@pytest.mark.parametrize("page", with_commands())
def test_every_command_and_option_of_a_page_exists(page: str) -> None:
    asked = [each for _, text in blocks(page) for each in commands_of(text)]
    wrong = [(name, words, unknown_words(name, words)) for name, words in asked]
    assert [each for each in wrong if each[2]] == []


def test_commands_that_do_not_exist_are_found() -> None:
    (asked,) = commands_of(".venv/bin/refine project 3 --dry-rnu > out.txt\n")
    assert unknown_words(*asked) == ["--dry-rnu"]
    (asked,) = commands_of("docker run refine:cpu python -m app weights fetch  # a remark\n")
    assert unknown_words(*asked) == ["fetch"]
    assert len([each for page in with_commands() for _, text in blocks(page) for each in commands_of(text)]) > 30


def test_the_embedded_cytomine_starts_as_the_page_says(tmp_path: Path) -> None:
    (script,) = (text for mark, text in blocks("docs/add-a-micro-service.md") if mark.startswith("test: "))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'client'}"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"http://127\.0\.0\.1:\d+ [\w-]+$", done.stdout.strip())


def follow(script: str, folder: Path) -> list[str]:
    """Run a block in the deployment folder, with the stand-in for Docker; gives its calls."""
    tools, calls = folder / "tools", folder / "calls.txt"
    tools.mkdir()
    (tools / "docker").write_text(_DOCKER)
    (tools / "docker").chmod(0o755)
    (tools / "python3").symlink_to(sys.executable)
    (folder / "says.json").write_text(json.dumps(compose()))
    (folder / "deployment").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "REFINE": str(ROOT),
        "CYTOMINE": str(folder / "deployment"),
        "DOCKER_CALLS": str(calls),
        "COMPOSE_SAYS": str(folder / "says.json"),
        "SAMPLE": str(ROOT / "tests" / "nginx" / "nginx.conf.sample"),
        "theirs": "-f docker-compose.yml --env-file .env",
    }
    done = subprocess.run(
        ["bash", "-euc", script.replace("/tmp/", f"{folder}/")],
        cwd=folder / "deployment",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return calls.read_text().splitlines()


def test_core_is_found_in_the_compose_files(tmp_path: Path) -> None:
    calls = follow(block_of("test_core_is_found_in_the_compose_files"), tmp_path)
    assert calls == ["compose -f docker-compose.yml --env-file .env config --format json"]
    deployment = tmp_path / "deployment"
    assert "refine" in yaml.safe_load((deployment / "refine.yml").read_text())["services"]
    assert "172.18.0.6" in (deployment / "configs/nginx/etc/nginx/refine-core.conf").read_text()
    assert not (deployment / "compose.json").exists()  # it holds passwords


@pytest.mark.parametrize("is_there", [False, True])
def test_the_route_is_patched_and_tried_before_it_goes_live(tmp_path: Path, is_there: bool) -> None:
    configs = tmp_path / "deployment" / "configs" / "nginx" / "etc" / "nginx"
    if is_there:
        configs.mkdir(parents=True)
        shutil.copy(ROOT / "tests" / "nginx" / "nginx.conf.sample", configs)
    calls = follow(block_of("test_the_route_is_patched_and_tried_before_it_goes_live"), tmp_path)
    assert any(" cp nginx:" in call for call in calls) != is_there
    assert calls[-1].endswith(f"-v {tmp_path}/nginx-try:/cm_configs the-image nginx -t")
    for patched in (configs, tmp_path / "nginx-try" / "etc" / "nginx"):
        assert "include /etc/nginx/refine.conf;" in (patched / "nginx.conf.sample").read_text()
        assert (patched / "refine.conf.sample").is_file()


def test_the_page_about_services_names_every_class_of_the_addition() -> None:
    page = (ROOT / "docs/add-a-micro-service.md").read_text()
    told = set(re.findall(r"`([A-Z][a-z]\w+)`", re.search(r"^## 3\. Core\n(.*?)^## 4", page, re.M | re.S)[1]))  # type: ignore[index]
    shared = {file.stem for file in (ROOT / "core-patch/common/src/main").rglob("*.java")}
    of_versions = {
        file.stem for name in ("ce-2025.1", "2026") for file in (ROOT / f"core-patch/{name}/src/main").rglob("*.java")
    }
    assert told == shared | of_versions
    assert f"{len(shared)} classes" in page
