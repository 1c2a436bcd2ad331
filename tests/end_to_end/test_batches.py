"""The command's journal: what counts as done, what is done again, what is left alone, and what is taken back."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import shapely

from cytomine_refine import ApiKeyAuth, RefineClient, RefineFailed
from cytomine_refine.batch import Batch
from cytomine_refine.journal import Journal
from demo.cytomine.faults import Fault
from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import app, boxes, outcomes_of, refined, rows_of
from tests.lab import BOX, DISC_X, DISC_Y, Lab, settle, with_addition

OLD_COLUMNS = (
    "annotation", "outcome", "score", "area_before_px0", "area_after_px0", "points_deleted", "command", "total_ms",
    "problem", "location",
)  # fmt: skip
"""Of the journals that were written before the columns of today."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), "s" * 64) as running:
        yield running


@pytest.fixture
def lab(whole: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield settle(whole[0], request.node.nodeid, whole[1])
    whole[0].faults.clear()


@pytest.fixture
def client(lab: Lab) -> Iterator[RefineClient]:
    with RefineClient(lab.cytomine.base_url, ApiKeyAuth(lab.alice.public_key, lab.alice.private_key)) as client:
        yield client


def take_back(lab: Lab, command: int) -> None:
    """Undo in Cytomine, as its own viewer does."""
    keys = ApiKeyAuth(lab.alice.public_key, lab.alice.private_key)
    answer = httpx.get(f"{lab.cytomine.base_url}/api/command/{command}/undo.json", auth=keys, trust_env=False)
    assert answer.status_code == 200


def edit(lab: Lab, annotation: int) -> str:
    """Let somebody correct an outline in Cytomine."""
    url, keys = (
        f"{lab.cytomine.base_url}/api/annotation/{annotation}.json",
        ApiKeyAuth(lab.alice.public_key, lab.alice.private_key),
    )
    with httpx.Client(auth=keys, trust_env=False) as http:
        record = {**http.get(url).json(), "location": shapely.box(400, 200, 600, 400).wkt}
        assert http.put(url, json=record).status_code == 200
    return str(lab.location(annotation))


def test_a_dry_run_tells_what_would_change_and_the_real_run_does_it(lab: Lab, tmp_path: Path) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    said = refined(lab, tmp_path, "--annotation", str(annotation), "--dry-run")
    assert "nothing was written: 1 would change" in said
    assert "1 point would be deleted" in said
    assert "(1 outline)" in said  # who drew it: the demo model
    assert lab.location(annotation) == BOX.wkt
    (row,) = rows_of(tmp_path / "refined.csv")
    assert row["outcome"] == "would change"
    change = float(row["area_after_px0"]) / float(row["area_before_px0"]) - 1
    assert f"area {change:+.1%} on average" in said
    assert "1 changed" in refined(lab, tmp_path, "--annotation", str(annotation))
    assert lab.iou(annotation) > 0.8
    assert lab.location(point) is None


def test_what_is_done_is_done_once(lab: Lab, tmp_path: Path) -> None:
    boxes(lab, 2)
    asked = ("--project", str(lab.project))
    refined(lab, tmp_path, *asked)
    said = refined(lab, tmp_path, *asked)
    assert "2 done already" in said
    assert "nothing to do" in said
    assert "2 changed" in refined(lab, tmp_path, *asked, "--again")


def test_what_was_taken_back_is_refined_again(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    asked = ("--annotation", str(annotation))
    refined(lab, tmp_path, *asked)
    take_back(lab, int(rows_of(tmp_path / "refined.csv")[0]["commands"]))
    assert lab.location(annotation) == BOX.wkt
    assert "1 changed" in refined(lab, tmp_path, *asked)
    assert lab.iou(annotation) > 0.8


@pytest.mark.long
def test_what_somebody_has_edited_since_is_left_alone_until_asked(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    asked = ("--annotation", str(annotation))
    refined(lab, tmp_path, *asked)
    edited = edit(lab, annotation)
    assert f"1 left alone, changed since refined.csv was written: {annotation}" in refined(lab, tmp_path, *asked)
    assert lab.location(annotation) == edited
    refined(lab, tmp_path, *asked, "--again")
    assert lab.location(annotation) != edited


def test_an_older_journal_goes_on(lab: Lab, tmp_path: Path) -> None:
    done, dry = boxes(lab, 2)
    refined(lab, tmp_path, "--annotation", str(done))
    location = lab.location(done)
    with (tmp_path / "old.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(OLD_COLUMNS)
        writer.writerow([done, "changed", 0.9, 1.0, 2.0, 0, 17, 5.0, "", location])
        writer.writerow([dry, "unchanged", 0.9, 1.0, 2.0, 0, "", 5.0, "", location])  # a dry run was written so
    said = refined(lab, tmp_path, "--project", str(lab.project), "--report", "old.csv")
    assert "1 done already" in said
    assert "1 changed" in said
    rows = rows_of(tmp_path / "old.csv")
    assert [(row["annotation"], row["outcome"]) for row in rows] == [
        (str(done), "changed"), (str(dry), "unchanged"), (str(dry), "changed"),
    ]  # fmt: skip
    assert rows[0]["commands"] == "17"


def test_what_is_under_way_is_written_down_when_nobody_waits_any_more(
    lab: Lab, client: RefineClient, tmp_path: Path
) -> None:
    drawn = [lab.draw(BOX) for _ in range(12)]
    with closing(Journal(tmp_path / "a.csv")) as journal:
        rows = Batch(client, journal).refine(client.outlines(project=lab.project), {}, jobs=3)
        next(rows)
        rows.close()  # as a second Ctrl-C does
        changed = {number for number in drawn if lab.location(number) != BOX.wkt}
        assert changed == journal.last.keys()
    assert len(changed) < len(drawn)


def test_an_answer_that_is_lost_on_the_way_is_no_failure_and_is_not_repeated(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    asked = ("--annotation", str(annotation))
    lab.cytomine.faults.add(Fault("drop", "POST", f"/api/annotation/{annotation}/sam", when="after"))
    done = app(lab, tmp_path, "refine", *asked)
    assert done.returncode == 3
    assert "may have been changed: check it before you repeat this" in done.stderr
    assert outcomes_of(tmp_path / "refined.csv") == ["unknown"]
    written = lab.location(annotation)
    assert written != BOX.wkt
    assert "1 left alone" in refined(lab, tmp_path, *asked)
    assert lab.location(annotation) == written


def test_an_answer_that_is_lost_before_anything_was_written_is_asked_for_again(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    asked = ("--annotation", str(annotation))
    lab.cytomine.faults.add(Fault("drop", "POST", f"/api/annotation/{annotation}/sam"))
    assert app(lab, tmp_path, "refine", *asked).returncode == 3
    assert "1 changed" in refined(lab, tmp_path, *asked)


def test_a_write_whose_answer_core_lost_is_told_as_written(lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    lab.cytomine.faults.add(Fault("drop", "PUT", f"/api/annotation/{annotation}.json", when="after"))
    done = app(lab, tmp_path, "refine", "--annotation", str(annotation))
    assert done.returncode == 3
    assert "The outline was changed nevertheless: check it before you repeat this" in done.stderr
    assert outcomes_of(tmp_path / "refined.csv") == ["unknown"]
    assert "1 left alone" in refined(lab, tmp_path, "--annotation", str(annotation))


def test_a_failure_tells_whether_the_outline_was_changed(lab: Lab, client: RefineClient) -> None:
    def failed(**options: bool) -> RefineFailed:
        with pytest.raises(RefineFailed) as caught:
            client.refine(lab.draw(BOX), **options)
        return caught.value

    def answered(status: int, body: bytes = b"{}") -> Fault:
        return lab.cytomine.faults.add(Fault("status", "POST", "/sam$", status=status, body=body))

    answered(409)
    assert failed().written is False
    answered(502)
    assert failed().written is None
    answered(504)
    assert failed(dry_run=True).written is False
    answered(422, b'{"title": "This cannot be read", "written": true}')
    assert failed().written is True
    answered(502, b'{"title": "The service is absent", "written": false}')
    assert failed().written is False
    answered(502, b'{"type": "urn:cytomine-refine:platform-unavailable", "title": "Cytomine failed"}')
    assert failed().written is False
    answered(502, b'{"type": "urn:cytomine-refine:platform-unavailable", "title": "Cytomine failed", "written": null}')
    assert failed().written is None
    lab.cytomine.faults.add(Fault("garbage", "POST", "/sam$"))
    assert failed().written is None


def test_a_batch_is_taken_back_points_included(lab: Lab, tmp_path: Path) -> None:
    boxes = {
        number: lab.location(number) for number in (lab.draw(BOX), lab.draw(shapely.affinity.translate(BOX, 4, 0)))
    }
    point = lab.point(DISC_X, DISC_Y)
    refined(lab, tmp_path, "--project", str(lab.project), "--jobs", "1")
    assert lab.location(point) is None
    with_point, other = sorted(rows_of(tmp_path / "refined.csv"), key=lambda row: -int(row["points_deleted"]))
    took, edited = int(with_point["annotation"]), int(other["annotation"])
    by_hand = edit(lab, edited)
    done = app(lab, tmp_path, "undo", "refined.csv")
    assert done.returncode == 0, done.stderr
    assert "1 taken back" in done.stdout
    assert f"1 left alone, changed since refined.csv was written: {edited}" in done.stderr
    assert lab.location(took) == boxes[took]
    assert lab.location(point) is not None
    assert lab.location(edited) == by_hand
    assert "nothing to undo" in app(lab, tmp_path, "undo", "refined.csv").stdout
    assert "1 changed" in refined(lab, tmp_path, "--annotation", str(took))


@pytest.mark.long
def test_a_doubtful_outline_is_left_and_listed_until_somebody_says_write(lab: Lab, tmp_path: Path) -> None:
    sure, empty = lab.draw(BOX), lab.draw(shapely.box(40, 40, 180, 160))
    asked = ("--project", str(lab.project), "--jobs", "1")
    drawn = lab.location(empty)
    said = refined(lab, tmp_path, *asked, "--dry-run", "--report", "dry.csv")
    assert "1 would change, 1 would be left, doubtful" in said
    said = refined(lab, tmp_path, *asked)
    assert "1 changed, 1 left, doubtful" in said
    assert f"(--doubtful write stores them anyway): {empty}" in said
    assert lab.location(empty) == drawn
    rows = {int(row["annotation"]): row for row in rows_of(tmp_path / "refined.csv")}
    assert (rows[sure]["outcome"], rows[empty]["outcome"]) == ("changed", "doubtful")
    assert rows[empty]["doubts"]
    assert rows[empty]["commands"] == ""
    refusing = app(lab, tmp_path, "refine", *asked, "--doubtful", "refuse")
    assert refusing.returncode == 3
    assert f"{empty}: 422 The outline is doubtful" in refusing.stderr
    assert "1 changed" in refined(lab, tmp_path, *asked, "--doubtful", "write")
    assert lab.location(empty) != drawn


def test_the_client_takes_a_refine_back(lab: Lab, client: RefineClient) -> None:
    annotation, point = lab.draw(BOX), lab.point(DISC_X, DISC_Y)
    result = client.refine(annotation)
    assert result.image_id == lab.image
    assert result.points_deleted == (point,)
    client.undo(result)
    assert lab.location(annotation) == BOX.wkt
    assert lab.location(point) is not None
    with pytest.raises(RefineFailed, match="Core undid nothing"):
        client.undo(result)
