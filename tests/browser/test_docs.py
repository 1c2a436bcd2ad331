from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.conftest import OUT
from tests.browser.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_the_page_of_the_interface_shows_the_routes_with_what_the_service_itself_serves(
    browser: Browser, stage: Stage
) -> None:
    assert stage.service is not None
    with browser.new_context() as context:
        page, asked, said = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{stage.service.url}/sam/docs")
        page.get_by_role("button", name="/sam/annotations/{annotation_id}/refine").first.wait_for()
        page.screenshot(path=OUT / "docs.png")
    assert [url for url in asked if not url.startswith((stage.service.url, "data:"))] == []
    assert said == []
