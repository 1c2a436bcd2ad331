"""Generated pages about the HTTP interface: routes, the viewer of the contract, problems."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from app import errors
from app.api.problems import KINDS
from scripts.pages.links import ROOT

CONTRACT = ROOT / "docs" / "api" / "openapi.json"
_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_HTTP = """\
# HTTP interface

[Every route with its options, answers and examples](../api/viewer.html). Every running service serves the same page at
`/sam/docs`, with a button to try each route; both work without the internet. The contract itself is
[openapi.json](../api/openapi.json). Errors are answered as [problems](problems.md).

| route | |
|---|---|
"""
_PROBLEMS = """\
# Problems

Every error of the service is an RFC 9457 problem: `application/problem+json` with `type`, `title`, `status`, `detail`,
`instance` and a `request_id`, under which the log has more. `type` is `urn:cytomine-refine:` followed by one of the
names below, which stay the same from release to release. [Troubleshooting](../troubleshooting.md) says what to do about
them; it also has the problems that nginx and the addition to Core report.

| status | type | title | |
|---|---|---|---|
"""
_VIEWER = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>HTTP interface</title>
<link rel="icon" href="favicon.png">
<link rel="stylesheet" href="swagger-ui.css">
<div id="contract"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="openapi.js"></script>
<script>
SwaggerUIBundle({spec: contract, dom_id: '#contract', supportedSubmitMethods: [], validatorUrl: null});
</script>
</html>
"""


def http_page() -> str:
    """List the routes, with a link to the viewer of the whole contract."""
    return _HTTP + "\n".join(_routes(json.loads(CONTRACT.read_text())))


def _routes(contract: dict[str, Any]) -> Iterator[str]:
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            first = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
            yield f"| `{method.upper()} {path}` | {first} |"


def problems_page() -> str:
    """List what can go wrong over HTTP."""
    rows = sorted(KINDS.items(), key=lambda each: (each[1].status, each[1].type))
    return _PROBLEMS + "\n".join(
        f"| {kind.status} | `{kind.type}` | {kind.title} | {_meaning(error)} |" for error, kind in rows
    )


def _meaning(error: type[errors.ServiceError]) -> str:
    return (error.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def write_viewer(folder: Path) -> None:
    """Write the viewer of the contract, all of its files included; it works from a folder, too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _SWAGGER:
        shutil.copyfile(str(files("fastapi_offline") / "static" / name), folder / name)
    (folder / "openapi.js").write_text(f"const contract = {json.dumps(json.loads(CONTRACT.read_text()))};\n")
    shutil.copyfile(CONTRACT, folder / "openapi.json")
    (folder / "viewer.html").write_text(_VIEWER)
