"""Whatever a caller asks for is read and done with the caller's rights, never with those of the service's account."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shapely
from fastapi.testclient import TestClient

from app.errors import PlatformForbidden
from app.main import assemble
from app.settings import Settings
from app.usecases.ports import Caller
from tests.api.conftest import BOX, SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway

AREA = {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.from_wkt(BOX)), "properties": {}}
ON_IMAGE = {"image_id": 5, "geometry": AREA}
REQUESTS = [
    ("/sam/annotations/7/refine", {"dry_run": True}, 200),
    ("/sam/autonomous_prediction?annotation_id=7&dry_run=true", None, 200),
    ("/sam/prediction", ON_IMAGE, 200),
    ("/sam/smart_prediction", {**ON_IMAGE, "user_id": 61}, 200),
    ("/sam/embeddings", ON_IMAGE, 202),
    ("/sam/embeddings", {"annotation_id": 7}, 202),
]


class Strict(FakeGateway):
    """A platform whose slides the service's account sees, and the user 62, but nobody else."""

    def acting_as(self, caller: Caller) -> FakeGateway:
        seen = replace(self, caller_id=caller.user_id)
        if caller.user_id != 62:
            seen.slide = self.refuse  # type: ignore[method-assign]
        return seen

    def refuse(self, slide_id: int) -> None:
        raise PlatformForbidden("Core forbids it.")


@pytest.mark.parametrize(("url", "body", "status"), REQUESTS)
def test_a_stranger_gets_nothing_that_the_account_may_see(
    settings: Settings, gateway: FakeGateway, url: str, body: object, status: int
) -> None:
    segmenter = DarkSegmenter()
    with TestClient(assemble(settings, Strict(annotations=gateway.annotations), DiscReader(), segmenter)) as client:
        as_account = client.post(url, json=body, headers={"X-Refine-Secret": SECRET})
        as_member = client.post(url, json=body, headers={"authorization": "Bearer 62"})
        encoded = segmenter.encoded
        as_stranger = client.post(url, json=body, headers={"authorization": "Bearer 63"})
    assert (as_account.status_code, as_member.status_code, as_stranger.status_code) == (status, status, 403)
    assert segmenter.encoded == encoded or status == 202  # what was wished for before may be encoded meanwhile
