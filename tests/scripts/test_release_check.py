"""A checkout is ready for release only if every place says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import release_check as check


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lay out a checkout of version 1.2.3 that is ready."""
    files = {
        "pyproject.toml": '[project]\nname = "service"\nversion = "1.2.3"\n',
        "client/pyproject.toml": '[project]\nname = "client"\nversion = "1.2.3"\n',
        "Dockerfile": "FROM x\nARG VERSION=1.2.3\n",
        "scale/helm/Chart.yaml": 'version: 9.9.9\nappVersion: "1.2.3"\n',
        "core-patch/ce-2025.1/pom.xml": "<project>\n  <version>1.2.3</version>\n",
        "core-patch/2026/pom.xml": "<project>\n  <version>1.2.3</version>\n",
        "docs/api/openapi.json": json.dumps({"info": {}, "version": "1.2.3"}, indent=2),
        "CITATION.cff": "version: 1.2.3\n",
        "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2026-01-31\n\n- New\n",
        "bench/results/encode.json": json.dumps({"meta": {"commit": "abc"}}),
        **{name: "x" for name in check.PAPERS if name not in ("CHANGELOG.md", "CITATION.cff")},
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *asked: str) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", root, *who, *asked], check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "x")


def faults(root: Path) -> list[str]:
    asked = [each for each in check.CHECKS if each is not check.wheels]
    return [f"{v.about}: {v.fault}" for each in asked for v in each(root, "1.2.3") if v.fault]


def test_a_checkout_that_is_ready_has_no_fault(root: Path) -> None:
    assert faults(root) == []
    git(root, "tag", "v1.2.3")
    assert faults(root) == []


def test_a_place_that_says_another_version_is_named(root: Path) -> None:
    for name in ("client/pyproject.toml", "Dockerfile", "core-patch/2026/pom.xml"):
        (root / name).write_text((root / name).read_text().replace("1.2.3", "1.2.2"))
    commit(root)
    assert [fault.partition(":")[0] for fault in faults(root)] == [
        "client/pyproject.toml",
        "Dockerfile",
        "core-patch/2026/pom.xml",
    ]


def forget(root: Path) -> None:
    (root / "SECURITY.md").unlink()


def leave_unreleased(root: Path) -> None:
    log = root / "CHANGELOG.md"
    log.write_text(log.read_text().replace("## Unreleased\n", "## Unreleased\n\n- Something\n"))


def leave_undated(root: Path) -> None:
    log = root / "CHANGELOG.md"
    log.write_text(log.read_text().replace(" - 2026-01-31", ""))


def measure_nothing(root: Path) -> None:
    (root / "bench/results/encode.json").write_text("{}")


@pytest.mark.parametrize(
    ("deed", "fault"),
    [
        (forget, "SECURITY.md: is missing"),
        (leave_unreleased, "changelog: nothing unreleased: has entries"),
        (leave_undated, "changelog: 1.2.3: has no section '1.2.3 - YYYY-MM-DD'"),
        (measure_nothing, "bench/results/encode.json: does not say which code was measured"),
    ],
)
def test_what_is_left_to_do_is_told(root: Path, deed: Callable[[Path], None], fault: str) -> None:
    deed(root)
    commit(root)
    assert faults(root) == [fault]


def test_a_tree_with_changes_and_a_tag_elsewhere_are_told(root: Path) -> None:
    git(root, "tag", "v1.2.3")
    commit(root)
    (root / "README.md").write_text("changed")
    assert faults(root) == [
        "working tree: has changes that are not committed",
        "tag v1.2.3: is on another commit",
    ]


@pytest.mark.parametrize("base", ["", "python:3.11-slim", "python@sha256:12"])
def test_a_base_image_without_a_digest_is_not_pinned(base: str) -> None:
    assert not check.DIGEST.match(base)


def test_a_digest_pins_the_base_image() -> None:
    assert check.DIGEST.match(f"docker.io/library/python:3.11-slim@sha256:{'a' * 64}")


def test_every_place_of_the_project_can_be_read() -> None:
    """The patterns fit the files as they are; whether they agree is asked at a release."""
    for verdict in check.versions(check.ROOT, "0.0.0"):
        assert "says nothing" not in verdict.fault, verdict
