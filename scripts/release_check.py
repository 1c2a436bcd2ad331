"""``make release-check``: whether this checkout may be released as the version that it names.

Every place that names the version says the same, the changelog has its date, the tree is clean, the wheels build and
hold what they need, and the base image of the release is pinned by digest.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAPERS = (
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
PLACES = {
    "Dockerfile": r"^ARG VERSION=(\S+)$",
    "scale/helm/Chart.yaml": r'^appVersion: "?([^"\s]+)"?$',
    "core-patch/ce-2025.1/pom.xml": r"^  <version>(\S+)</version>$",
    "core-patch/2026/pom.xml": r"^  <version>(\S+)</version>$",
    "docs/api/openapi.json": r'^  "version": "(\S+)"$',
    "CITATION.cff": r'^version: "?([^"\s]+)"?$',
}
"""Where the version stands too, and how."""
SHIPPED = {
    ".": ("app/py.typed", "app/segmenter/configs/embedded.yaml", "app/segmenter/embedded/model.pt"),
    "client": ("cytomine_refine/py.typed",),
}
"""Folder of each distribution, and files that its wheel must hold."""
DIGEST = re.compile(r"^\S+@sha256:[0-9a-f]{64}$")
PINNED = "make release-check BASE_IMAGE=python@sha256:... (shown by docker buildx imagetools inspect)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found; `fault` is empty if all is well."""

    about: str
    fault: str = ""


def version_of(folder: Path) -> str:
    """Read the version of the distribution in a folder."""
    return str(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"])


def versions(root: Path, version: str) -> Iterator[Verdict]:
    """Check that every place names the same version."""
    for folder in SHIPPED:
        found = version_of(root / folder)
        yield Verdict(f"{folder}/pyproject.toml", "" if found == version else f"says {found}, not {version}")
    for name, pattern in PLACES.items():
        file = root / name
        found = re.findall(pattern, file.read_text(), re.MULTILINE) if file.exists() else []
        told = found[0] if found else "nothing"
        yield Verdict(name, "" if told == version else f"says {told}, not {version}")


def changelog(root: Path, version: str) -> Iterator[Verdict]:
    """Check that the changelog has the version with a date, and nothing that is not released."""
    text = (root / "CHANGELOG.md").read_text()
    parts = {title: body.strip() for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE)}
    yield Verdict("changelog: nothing unreleased", "has entries" if parts.get("Unreleased") else "")
    dated = [title for title in parts if title.split()[0].strip("[]") == version]
    fault = "" if dated and _is_dated(dated[0]) else f"has no section '{version} - YYYY-MM-DD'"
    yield Verdict(f"changelog: {version}", fault)


def _is_dated(title: str) -> bool:
    try:
        return bool(datetime.date.fromisoformat(title.split()[-1]))
    except ValueError:
        return False


def papers(root: Path, version: str) -> Iterator[Verdict]:
    """Check that what a stranger looks for is there."""
    for name in PAPERS:
        yield Verdict(name, "" if (root / name).is_file() else "is missing")


def tree(root: Path, version: str) -> Iterator[Verdict]:
    """Check that what is released is what is committed, and that the version is new."""

    def git(*asked: str) -> str:
        return subprocess.run(["git", "-C", root, *asked], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607

    yield Verdict("working tree", "has changes that are not committed" if git("status", "--porcelain") else "")
    tagged, head = git("tag", "--list", f"v{version}"), git("rev-parse", "HEAD")
    moved = bool(tagged) and git("rev-parse", f"v{version}^{{commit}}") != head
    yield Verdict(f"tag v{version}", "is on another commit" if moved else "")


def wheels(root: Path, version: str) -> Iterator[Verdict]:
    """Check that the wheels build, and hold what they need."""
    for folder, wanted in SHIPPED.items():
        with tempfile.TemporaryDirectory() as out:
            build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", out, str(root / folder)]
            done = subprocess.run(build, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                yield Verdict(f"wheel of {folder}", done.stderr.strip().splitlines()[-1])
                continue
            (wheel,) = Path(out).glob("*.whl")
            missing = sorted(set(wanted) - set(zipfile.ZipFile(wheel).namelist()))
            yield Verdict(f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB", f"lacks {missing}" if missing else "")


def results(root: Path, version: str) -> Iterator[Verdict]:
    """Check that every page of results says what was measured."""
    for page in sorted((root / "bench/results").glob("*.json")):
        if "commit" not in json.loads(page.read_text()).get("meta", {}):
            yield Verdict(str(page.relative_to(root)), "does not say which code was measured")


CHECKS: tuple[Callable[[Path, str], Iterator[Verdict]], ...] = (versions, changelog, papers, tree, results, wheels)


def main(arguments: list[str]) -> int:
    """Tell each verdict; 1 if anything is left to do."""
    parser = argparse.ArgumentParser(prog="release_check", description=__doc__)
    parser.add_argument("--base", default="", help="Base image of the release, with its digest: python@sha256:...")
    base = parser.parse_args(arguments).base
    version = version_of(ROOT)
    found = [verdict for check in CHECKS for verdict in check(ROOT, version)]
    pinned = "" if DIGEST.match(base) else f"name it with its digest: {PINNED}"
    found.append(Verdict("base image", pinned))
    for verdict in found:
        print(f"{'FIX' if verdict.fault else 'ok '}  {verdict.about}{': ' + verdict.fault if verdict.fault else ''}")
    left = sum(bool(verdict.fault) for verdict in found)
    print(f"{version} is ready to be tagged v{version}." if not left else f"{left} left to fix before {version}.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
