"""The service's own log: one line for each thing told, under the id of its request."""

from __future__ import annotations

import logging
import re
import sys

from app.api.request_id import request_id

_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""All but the tab: they could end a line, or steer the terminal of whoever reads it."""
_LINE = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"


class RequestIdFilter(logging.Filter):
    """Puts the id into every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass."""
        record.request_id = request_id()
        return True


class VisibleFormatter(logging.Formatter):
    """Shows control characters in place of obeying them, since errors may quote what somebody sent."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Give the line."""
        return _CONTROLS.sub(_shown, super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        """Give a traceback, its line breaks kept."""
        told = super().formatException(ei)  # type: ignore[arg-type]  # the stub names a private type
        return "\n".join(_CONTROLS.sub(_shown, line) for line in told.split("\n"))


def _shown(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()


def log_to_stderr(level: str) -> None:
    """Send our own log to standard error, each line with its request's id."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(VisibleFormatter(_LINE))
    ours = logging.getLogger("app")
    ours.handlers[:] = [handler]
    ours.setLevel(level.upper())
    ours.propagate = False
