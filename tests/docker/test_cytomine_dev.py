"""The Compose file for people who change Core or the web UI: nothing of it reaches beyond this machine."""

from __future__ import annotations

from pathlib import Path

import yaml

FILE = Path(__file__).parents[2] / "docker" / "cytomine-dev.yml"
GUIDE = Path(__file__).parents[2] / "docs" / "develop-in-cytomine.md"


def test_it_builds_from_the_trees_that_the_guide_names() -> None:
    services = yaml.safe_load(FILE.read_text())["services"]
    guide = GUIDE.read_text()
    assert set(services) == {"core", "web_ui"}
    for service in services.values():
        tree = Path(service["build"]["context"])
        assert tree.parts[0] == "repos"
        assert tree.name in guide
        assert any(volume.startswith(f"./{tree}:") for volume in service["volumes"])
        assert service["build"]["target"] == "dev-server"


def test_no_port_is_open_to_others() -> None:
    services = yaml.safe_load(FILE.read_text())["services"]
    for service in services.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_files_that_the_nginx_sample_names_are_there() -> None:
    root = Path(__file__).parents[2]
    sample = (root / "nginx" / "refine.conf.sample").read_text()
    named = {
        word.strip(".,;:()") for line in sample.splitlines() if line.lstrip().startswith("#") for word in line.split()
    }
    files = {word for word in named if "/" in word and word.endswith((".py", ".sh", ".md"))}
    assert files
    for file in files:
        assert (root / file).is_file(), file


def test_the_thesis_is_cited() -> None:
    root = Path(__file__).parents[2]
    cited = yaml.safe_load((root / "CITATION.cff").read_text())["preferred-citation"]
    assert (cited["year"], cited["authors"][0]["family-names"]) == (2025, "Vanmechelen")
    assert cited["url"] in (root / "docs" / "thesis.md").read_text()
    assert "Vanmechelen" in (root / "app" / "segmenter" / "embedded" / "model.json").read_text()
