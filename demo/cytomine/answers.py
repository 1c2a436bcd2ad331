"""How Core writes an answer: content negotiation, error pages, problems."""

from __future__ import annotations

import json
import secrets
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

_JSON = "application/json"
_LATIN = "ISO-8859-1"
_PAGE = """<html>
<head>
<title>Cytomine error {status}</title>
<style>h1 {{ font-size: 80px; text-align: center; }} h2, p {{ text-align: center; }}</style>
</head>
<body>
<div class="container">
<h1>{status}</h1>
<h2>{subject}</h2>
<p>{text}</p>
</div>
</body>
</html>
"""
_SUBJECTS = {
    401: (
        "Authorization required",
        "This page is not publicly available. To access it, please login first or use a valid token.",
    ),
    404: ("Resource not found", "The page does not exists."),
}
_TOMCAT_PAGE = """<!doctype html><html lang="en"><head><title>HTTP Status 500 - Internal Server Error</title></head>
<body><h1>HTTP Status 500 - Internal Server Error</h1><hr class="line" /></body></html>
"""
_TITLES = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 415: "Unsupported Media Type"}


def negotiated(request: Request, content: Any, status: int = 200) -> Response:
    """Answer a command: JSON for whoever asks for JSON, the same text in Latin-1 for whoever takes anything."""
    return _text(request, json.dumps(content, ensure_ascii=False), status)


def page(request: Request, status: int) -> Response:
    """Answer with the error page, under whatever type was asked for; a 401 opens a session."""
    answer = _text(request, error_page(status), status)
    if status == 401:
        session = secrets.token_hex(16).upper()
        answer.headers["set-cookie"] = f"JSESSIONID={session}; Path=/; HttpOnly"
    return answer


def error_page(status: int) -> str:
    """Give Core's page for a status."""
    subject, text = _SUBJECTS.get(status, ("Internal Error", ""))
    return _PAGE.format(status=status, subject=subject, text=text)


def server_page() -> Response:
    """Answer with the page of the server below Core, which catches what a filter throws."""
    return HTMLResponse(_TOMCAT_PAGE, 500)


def problem(request: Request, status: int, detail: str, title: str | None = None) -> Response:
    """Answer with a problem, as the framework below Core makes them."""
    body = {
        "type": "about:blank",
        "title": title or _TITLES[status],
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    return JSONResponse(body, status, media_type="application/problem+json")


def _text(request: Request, text: str, status: int) -> Response:
    media = _media_type(request.headers.get("accept", "*/*"))
    if media == _JSON:
        return Response(text.encode(), status, media_type=_JSON)
    return Response(text.encode(_LATIN, "replace"), status, {"content-type": f"{media};charset={_LATIN}"})


def _media_type(accept: str) -> str:
    """Choose the first type that is named in full, whatever stands before it; plain text for wildcards."""
    named = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return next((each for each in named if each and "*" not in each), "text/plain")
