"""Answers and refusals of PIMS, with its own shapes of bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PimsAnswer:
    """One HTTP answer, free of any framework."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200) -> PimsAnswer:
        """Answer with JSON."""
        return cls(status, json.dumps(content).encode(), {"content-type": "application/json"})


class Refused(Exception):
    """PIMS' own problem: ``title``, ``details`` and facts."""

    def __init__(self, status: int, title: str, details: str | None = None, **facts: Any) -> None:
        super().__init__(title)
        self.answer = PimsAnswer.json({"title": title, "details": details, **facts}, status)


def unprocessable(field_path: list[str | int], message: str, given: Any) -> Refused:
    """Make a schema violation, shaped as the framework below PIMS shapes it."""
    refused = Refused(422, message)
    detail = [{"type": "value_error", "loc": ["body", *field_path], "msg": message, "input": given}]
    refused.answer = PimsAnswer.json({"detail": detail}, 422)
    return refused


def file_not_found(path: str) -> Refused:
    """Make the refusal of an unknown file."""
    return Refused(404, "Filepath not found", f"The filepath {path} does not exist.")
