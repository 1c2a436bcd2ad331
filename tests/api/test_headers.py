"""Odd headers are the sender's mistake: whatever they say, the answer is a declared one."""

from __future__ import annotations

from email.utils import formatdate

from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from app.main import assemble
from app.settings import Settings
from tests.api.conftest import BOX, SECRET
from tests.fakes.rooms import DarkSegmenter, DiscReader, FakeGateway, annotation

WORK = "/sam/annotations/7/refine"
gateway = FakeGateway(annotations={7: annotation(7, BOX)}, keys={"62-public": "private"})
app = assemble(
    Settings.model_validate({"api": {"signatures": "short", "shared_secret": SECRET}}),
    gateway,
    DiscReader(),
    DarkSegmenter(),
)
client = TestClient(app, raise_server_exceptions=False)
declared = {
    int(status) for status in app.openapi()["paths"]["/sam/annotations/{annotation_id}/refine"]["post"]["responses"]
}

characters = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
anything = st.text(characters, max_size=60)
zones = st.from_regex(r"[+-][0-9]{1,25}", fullmatch=True) | anything
dates = st.builds(lambda zone: f"Sat, 28 Nov 2026 10:00:00 {zone}", zones) | anything | st.just(formatdate())
credentials = (
    st.builds("CYTOMINE {}:{}".format, st.sampled_from(["62-public", "nobody", "..", ""]), anything)
    | st.builds("{} {}".format, st.sampled_from(["Bearer", "Basic", "CYTOMINE", ""]), anything)
    | anything
)
kinds = (
    st.builds("{}; {}={}".format, st.sampled_from(["application/json", "multipart/form-data"]), anything, anything)
    | st.builds("multipart/form-data; boundary={}".format, anything)
    | anything
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "date": dates,
        "authorization": credentials,
        "content-type": kinds,
        "content-md5": anything,
        "content-length": st.sampled_from(["", "-1", "²", "9" * 5000, "1e3", "0x10"]),
        "x-refine-secret": st.just(SECRET) | anything,
        "x-request-id": anything,
        "traceparent": anything | st.just("00-" + "f" * 32 + "-" + "f" * 16 + "-zz"),
        "host": anything,
        "accept": anything,
        "cookie": anything,
        "expect": anything,
        "range": anything,
    },
)


@given(headers, st.sampled_from([WORK, "/sam/annotations/refine", "/sam/prediction", "/sam/embeddings"]))
@example({"date": "Sat, 28 Nov 2026 10:00:00 +99999999999999999999", "authorization": "CYTOMINE 62-public:x"}, WORK)
@example({"content-length": "²", "x-refine-secret": SECRET}, WORK)
@example({"content-type": "multipart/form-data; boundary=", "x-refine-secret": SECRET}, "/sam/annotations/refine")
def test_odd_headers_get_a_declared_answer_and_no_500(sent: dict[str, str], url: str) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    answer = client.post(url, content=b'{"dry_run": true}', headers=raw)
    assert answer.status_code in declared
    assert answer.status_code < 500
