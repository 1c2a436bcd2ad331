"""Core's refusals, with the bodies that its different layers give them."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

_PAGE = """<!DOCTYPE html><html><head><title>Error</title></head><body><h1>{status}</h1><p>{text}</p></body></html>"""


class Refusal(Exception):
    """Something that Core does not do, and the status it says so with."""

    status = 400

    def answer(self) -> Response:
        """Shape it as Core's global handler does: ``errors`` is an object."""
        return JSONResponse({"errors": {"message": str(self)}, "errorValues": {}}, self.status)

    def answer_of_command(self) -> Response:
        """Shape it as the generic add, update and delete do: ``errors`` is a text."""
        return JSONResponse({"success": False, "errors": str(self), "errorValues": {}}, self.status)


class WrongArgument(Refusal):
    """400."""


class Forbidden(Refusal):
    """403."""

    status = 403


class NotFound(Refusal):
    """404."""

    status = 404


class Unauthorized(Refusal):
    """401: a page, whatever was asked for."""

    status = 401

    def answer(self) -> Response:
        """Give the error page."""
        return HTMLResponse(_PAGE.format(status=401, text="Unauthorized"), 401)

    answer_of_command = answer


class Crash(Refusal):
    """500: an exception that Core does not map."""

    status = 500

    def answer(self) -> Response:
        """Give the error page."""
        return HTMLResponse(_PAGE.format(status=500, text="Internal Server Error"), 500)

    answer_of_command = answer
