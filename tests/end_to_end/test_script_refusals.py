"""Whatever keeps the command from its work is one clear line, before any work is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import app, boxes, one_line, outcomes_of
from tests.lab import BOX, Lab, free_port, settle


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCytomine]:
    """A Core whose service is not there: nothing here gets that far."""
    absent = f"http://127.0.0.1:{free_port()}/sam"
    with EmbeddedCytomine(tmp_path_factory.mktemp("cytomine"), refine_url=absent) as embedded:
        yield embedded


@pytest.fixture
def lab(cytomine: EmbeddedCytomine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(cytomine, request.node.nodeid, f"http://127.0.0.1:{free_port()}")
    cytomine.faults.clear()


def words(boxed: str) -> str:
    """Take a message out of the frame that the command line draws around it."""
    return " ".join(boxed.replace("│", " ").split())


def asked_for(lab: Lab) -> tuple[tuple[str, ...], ...]:
    return ("--annotation", str(lab.draw(BOX))), ("--project", str(lab.project))


def test_nobody_listens(lab: Lab, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    for asked in asked_for(lab):
        line = one_line(app(lab, tmp_path, "refine", *asked, CYTOMINE_HOST=nowhere))
        assert line.startswith(f"error: {nowhere} cannot be reached: ")


def test_nobody_listens_where_the_service_should_be(lab: Lab, tmp_path: Path) -> None:
    boxes(lab, 5)
    done = app(lab, tmp_path, "refine", "--project", str(lab.project), "--service", f"{lab.service_url}/sam")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {lab.service_url}/sam cannot be reached: ")
    assert "the rest was not tried" in line
    assert len(outcomes_of(tmp_path / "refined.csv")) <= 2  # those that were under way


def test_core_does_not_reach_the_service(lab: Lab, tmp_path: Path) -> None:
    boxes(lab, 5)
    done = app(lab, tmp_path, "refine", "--project", str(lab.project))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: 502 The refine service cannot be reached: Nothing was changed.")
    assert set(outcomes_of(tmp_path / "refined.csv")) == {"failed"}
    assert len(outcomes_of(tmp_path / "refined.csv")) <= 2


def test_the_keys_are_wrong(lab: Lab, tmp_path: Path) -> None:
    for asked in asked_for(lab):
        line = one_line(app(lab, tmp_path, "refine", *asked, CYTOMINE_PRIVATE_KEY="guessed"))
        assert line.startswith("error: 401 Unauthorized: Core does not know these API keys; your account page")


@pytest.mark.parametrize("host", ["cytomine.example", "localhost:8080", "ftp://cytomine.example", ""])
def test_a_host_is_no_url(lab: Lab, tmp_path: Path, host: str) -> None:
    done = app(lab, tmp_path, "refine", "--annotation", "1", "--host", host)
    assert done.returncode == 2
    assert "must begin with http:// or https://" in words(done.stderr)
    assert "Traceback" not in done.stderr


def test_the_host_sends_on_to_https(lab: Lab, tmp_path: Path) -> None:
    lab.cytomine.faults.add(Fault("redirect", times=None))
    line = one_line(app(lab, tmp_path, "refine", *asked_for(lab)[1]))
    assert "302 Found: it redirects to " in line


def test_a_page_answers_in_place_of_core(lab: Lab, tmp_path: Path) -> None:
    lab.cytomine.faults.add(Fault("garbage", times=None))
    line = one_line(app(lab, tmp_path, "refine", *asked_for(lab)[1]))
    assert "This is not an answer from Core" in line


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("--report", "file/below.csv"),
        ("--report", "folder"),
        ("--report", "/sys/refined.csv"),  # nobody may, root neither
        ("--geojson", "file/below.geojson"),
        ("--geojson", "file"),
        ("--geojson", "/sys/outlines"),
    ],
)
def test_a_place_cannot_be_written(lab: Lab, tmp_path: Path, option: str, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    line = one_line(app(lab, tmp_path, "refine", *asked_for(lab)[1], option, place))
    assert "cannot be written" in line
    assert place in line
    assert ("--report -" in line) == (option == "--report")
    assert not lab.cytomine.faults.requests


def test_a_file_that_is_no_report_is_not_touched(lab: Lab, tmp_path: Path) -> None:
    for content in (b"slide,stain\n1,HE\n", b"\x89PNG\r\n\x1a\n\0\xff"):
        (tmp_path / "other.csv").write_bytes(content)
        line = one_line(app(lab, tmp_path, "refine", *asked_for(lab)[1], "--report", "other.csv"))
        assert "other.csv is not a report of a refine" in line
        assert (tmp_path / "other.csv").read_bytes() == content


def test_the_report_of_an_undo_does_not_exist(lab: Lab, tmp_path: Path) -> None:
    done = app(lab, tmp_path, "undo", "misspelt.csv")
    assert done.returncode == 2
    assert "misspelt.csv" in done.stderr
    assert not (tmp_path / "misspelt.csv").exists()


def test_help_names_no_types_of_flags(lab: Lab, tmp_path: Path) -> None:
    for command in (["refine"], ["doctor"], ["weights", "pull"]):
        assert "bool" not in app(lab, tmp_path, *command, "--help").stdout
