"""Core's refusals, with the bodies that its different layers give them."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from demo.cytomine.answers import negotiated, page, server_page


class Refusal(Exception):
    """Something that Core does not do, and the status it says so with."""

    status = 400

    def answer(self, request: Request) -> Response:
        """Shape it as Core's global handler does: ``errors`` is an object."""
        return JSONResponse({"errors": {"message": str(self)}, "errorValues": {}}, self.status)

    def answer_of_command(self, request: Request) -> Response:
        """Shape it as the generic add, update and delete do: ``errors`` is a text."""
        return negotiated(request, {"success": False, "errors": str(self), "errorValues": {}}, self.status)

    def uniform(self) -> Refusal:
        """Give the refusal as of something outside of those."""
        return _Outside(self)


class WrongArgument(Refusal):
    """400."""


class Forbidden(Refusal):
    """403."""

    status = 403


class NotFound(Refusal):
    """404."""

    status = 404


class Changed(Refusal):
    """412: the object is no longer what the caller took it for."""

    status = 412


class _Uniform(Refusal):
    """A refusal that looks the same wherever it arises."""

    def answer_of_command(self, request: Request) -> Response:
        """Answer before any command is looked at."""
        return self.answer(request)


class _Outside(_Uniform):
    """A refusal that arises before the generic add, update or delete begins."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.status = refusal.status


class Unreadable(_Uniform):
    """400: the body is not JSON of the expected form."""

    def __init__(self) -> None:
        super().__init__("The body cannot be parsed, is the body content in the good format?")

    def answer(self, request: Request) -> Response:
        """Shape it without ``errorValues``."""
        return JSONResponse({"errors": {"message": str(self)}}, self.status)


class Unauthorized(_Uniform):
    """401: a page, and a session."""

    status = 401

    def answer(self, request: Request) -> Response:
        """Give the error page."""
        return page(request, 401)


class Crash(_Uniform):
    """500: an exception that Core does not map."""

    status = 500

    def answer(self, request: Request) -> Response:
        """Give the error page."""
        return page(request, 500)


class FilterCrash(_Uniform):
    """500: an exception before Core sees the request; a bearer token of short term on anything but GET."""

    status = 500

    def answer(self, request: Request) -> Response:
        """Give the server's page."""
        return server_page()
