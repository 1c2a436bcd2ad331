"""What goes wrong is said, nothing is lost, and the button works again."""

from __future__ import annotations

import json
import re
import threading

import httpx
import pytest

from demo.cytomine.faults import Fault
from demo.seeding import platform_wkt
from tests.browser.stage import MOST_AT_A_TIME, Stage, Viewer

pytest.importorskip("playwright")
from playwright.sync_api import expect


def refused(*statuses: int) -> re.Pattern[str]:
    """What Chromium writes to the console about a refused request."""
    return re.compile(rf"Failed to load resource.*status of ({'|'.join(map(str, statuses))})")


def test_the_service_is_down(viewer: Viewer, stage: Stage) -> None:
    viewer.expected = refused(502)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    stage.stop_service()
    try:
        viewer.button("Refine with SAM")
        viewer.alert("The refine service cannot be reached")
        viewer.screenshot("service-down")
        assert stage.shape(number).equals(sample.shape)
    finally:
        stage.start_service()
    viewer.button("Refine with SAM")
    viewer.status("Outline refined")
    assert not stage.shape(number).equals(sample.shape)


def test_somebody_changes_the_shape_meanwhile(viewer: Viewer, stage: Stage) -> None:
    viewer.expected = refused(409)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    theirs = sample.shape.buffer(30)

    def change() -> None:
        stage.cytomine.store.set_location(number, platform_wkt(theirs, stage.image.height))

    read = f"/api/annotation/{number}.json"
    stage.cytomine.faults.add(Fault("slow", method="GET", path=read, when="after", hook=change))
    area = viewer.page.locator("#facts dd").first
    before = area.inner_text()
    viewer.button("Refine with SAM")
    viewer.alert("The annotation was changed in the meantime")
    viewer.screenshot("changed-meanwhile")
    assert stage.shape(number).equals(theirs)
    expect(area).not_to_have_text(before)  # what is shown is theirs
    viewer.button("Refine with SAM")
    viewer.status("Outline refined")


def test_the_service_is_busy(viewer: Viewer, stage: Stage) -> None:
    """503 with Retry-After: the viewer offers to try again when the service asked for it."""
    viewer.expected = refused(503)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    others = [stage.draw(sample.shape) for _ in range(MOST_AT_A_TIME)]
    viewer.open(at=sample.shape, annotation=number)
    reads = [f"/api/annotation/{each}.json" for each in others]
    held = [stage.cytomine.faults.add(Fault("slow", method="GET", path=path, seconds=4)) for path in reads]
    service = stage.service
    assert service
    threads = [threading.Thread(target=service.refine, args=(each,)) for each in others]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if not any(fault.times for fault in held):
            break
        viewer.page.wait_for_timeout(50)
    assert not any(fault.times for fault in held)  # all of them are inside
    viewer.button("Refine with SAM")
    viewer.alert("The model is busy")
    again = viewer.page.get_by_role("button", name="Try again")
    expect(again).to_be_disabled()
    viewer.screenshot("busy-service")
    for thread in threads:
        thread.join()
    expect(again).to_be_enabled()
    again.click()
    viewer.status("Outline refined")


def test_no_right(viewer: Viewer, stage: Stage) -> None:
    """A read-only project: Core's refusal is what is shown."""
    viewer.expected = refused(403)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    with stage.cytomine.store.transaction(write=True) as db:
        db.execute("UPDATE projects SET read_only = 1")
    try:
        viewer.button("Refine with SAM")
        viewer.alert("The project for this data is in READ_ONLY mode")
    finally:
        with stage.cytomine.store.transaction(write=True) as db:
            db.execute("UPDATE projects SET read_only = 0")
    assert stage.shape(number).equals(sample.shape)


def test_core_drops_the_connection(viewer: Viewer, stage: Stage) -> None:
    viewer.expected = re.compile("Failed to load resource: net::ERR")
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    stage.cytomine.faults.add(Fault("drop", method="DELETE", times=None))
    viewer.page.keyboard.press("Delete")
    viewer.alert("Cytomine cannot be reached")
    assert viewer.selected() == number
    stage.cytomine.faults.clear()
    viewer.page.keyboard.press("Delete")
    viewer.status("Deleted")


def test_the_session_ends(viewer: Viewer, stage: Stage) -> None:
    """A token lives for a day; the page gets itself another one."""
    viewer.expected = refused(401)
    stage.clear()
    sample = stage.gland()
    viewer.open(at=sample.shape, annotation=stage.draw(sample.shape))
    stage.cytomine.faults.add(Fault("html401", method="POST", path="/sam$"))
    viewer.button("Refine with SAM")
    viewer.status("Outline refined")


def test_a_page_of_another_origin_gets_no_token(viewer: Viewer, stage: Stage) -> None:
    url = f"{stage.cytomine.base_url}/demo/session/alice"
    for headers in (
        {"Origin": "http://elsewhere.example"},
        {"Host": "elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert httpx.post(url, headers=headers, trust_env=False).status_code == 403
    viewer.expected = re.compile("CORS|Failed to load resource")
    viewer.page.goto("about:blank")
    script = f"fetch({url!r}, {{method: 'POST'}}).then(() => 'read', () => 'refused')"
    assert viewer.page.evaluate(script) == "refused"


def test_nobody_knows_whether_it_was_written(viewer: Viewer, stage: Stage) -> None:
    """The proxy lost sight of the service after the write: what is shown is what is stored, and that is said."""
    viewer.expected = refused(502)
    stage.clear()
    sample = stage.gland()
    number = stage.draw(sample.shape)
    viewer.open(at=sample.shape, annotation=number)
    title = "The refine service is not available"
    problem = {"type": "urn:cytomine-refine:service-absent", "title": title, "status": 502}
    fault = Fault("status", method="POST", path="/sam$", when="after", status=502, body=json.dumps(problem).encode())
    stage.cytomine.faults.add(fault)
    area = viewer.page.locator("#facts dd").first
    before = area.inner_text()
    viewer.button("Refine with SAM")
    viewer.alert("The outline may have been changed; it was loaded again.")
    viewer.screenshot("may-have-written")
    expect(area).not_to_have_text(before)
    assert not stage.shape(number).equals(sample.shape)
