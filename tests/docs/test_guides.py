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

import pytest
import yaml

from scripts.pages.links import ROOT
from tests.docker.test_join import compose

GUIDES = ("docs/install-ce-2025.1.md", "docs/install-2026.md")
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


@pytest.mark.parametrize("page", GUIDES)
def test_every_block_names_its_test_or_says_why_there_is_none(page: str) -> None:
    marks = [mark for mark, _ in blocks(page)]
    assert len(marks) >= 5
    for mark in marks:
        kind, _, rest = mark.partition(": ")
        assert kind in {"test", "not run"}, f"{page}: a block without a mark, or with {mark!r}"
        if kind == "test":
            file, _, name = rest.partition("::")
            assert (ROOT / file).is_file(), rest
            assert not name or f"def {name}(" in (ROOT / file).read_text(), rest
        for file in re.findall(r"\btests/[\w/]+\.py", rest):
            assert (ROOT / file).is_file(), rest


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
