"""The reference of settings, made from ``app/settings.py``."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from app.settings import PREFIX, Settings

_INTRODUCTION = """\
# Settings

Everything an operator can set, as environment variables. All of them have a default; most installations set
three or four. A name the service does not know stops it at the start, so that a typing error cannot go unnoticed.

| to | set |
|---|---|
| say where Cytomine is | `REFINE_PLATFORM__HOST` |
| run your own checkpoint | `REFINE_SEGMENTER__CHECKPOINT` |
| try the service without weights | `REFINE_SEGMENTER__DEMO_MODEL` |
| let scripts call the service directly | `REFINE_API__SHARED_SECRET`, `REFINE_API__SIGNATURES` |
| choose how many CPU cores work | `REFINE_SEGMENTER__CONCURRENCY`, `REFINE_SEGMENTER__THREADS` |
| have doubtful outlines looked at before they are stored | `REFINE_REFINE__DOUBTFUL=preview` |

This page is generated from `app/settings.py` by `make settings`.
"""
_HEADINGS = {"api": "HTTP"}
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def settings_page() -> str:
    """Write the reference of all settings, in Markdown.

    Returns
    -------
    str
        One section for each group, one table row for each setting.

    Raises
    ------
    ValueError
        A setting has no description.
    """
    parts = [
        _INTRODUCTION,
        "## The service as a whole\n",
        _table([("API_BASE_PATH", Settings.model_fields["base_path"])]),
    ]
    for name, group in groups():
        first = (group.__doc__ or "").strip().splitlines()[0]
        rows = [(f"{PREFIX}{name}__{inner}".upper(), field) for inner, field in group.model_fields.items()]
        parts += [f"## {_HEADINGS.get(name, name.capitalize())}\n\n{first}\n", _table(rows)]
    return "\n".join(parts)


def groups() -> Iterator[tuple[str, type[BaseModel]]]:
    """Give the groups of settings with their names."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _table(rows: list[tuple[str, FieldInfo]]) -> str:
    lines = ["| name | values | default | |", "|---|---|---|---|"]
    for name, field in rows:
        if not field.description:
            msg = f"{name} has no description: give it one in app/settings.py"
            raise ValueError(msg)
        lines.append(f"| `{name}` | {_values(name, field)} | {_default(name, field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def _values(name: str, field: FieldInfo) -> str:
    kind = _without_none(field.annotation)
    if typing.get_origin(kind) is Literal:
        return ", ".join(f"`{each}`" for each in typing.get_args(kind))
    words = {
        bool: "`true`, `false`",
        int: "whole number",
        float: "number",
        Path: "path",
        SecretStr: "secret",
        str: "text",
    }
    return " ".join([words[kind], *_bounds(name, field)])


def _bounds(name: str, field: FieldInfo) -> Iterator[str]:
    texts = ((annotated_types.Gt, "gt", "more than"), (annotated_types.Ge, "ge", "from"))
    most = ((annotated_types.Le, "le", "to"), (annotated_types.Lt, "lt", "below"))
    for kind, key, word in (*texts, *most):
        for each in field.metadata:
            if isinstance(each, kind):
                yield f"{word} {_number(name, getattr(each, key))}"


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return _number(name, value) if isinstance(value, int | float) else f"`{value}`"


def _number(name: str, value: Any) -> str:
    if name.endswith("_BYTES"):
        for size, unit in _UNITS:
            if value >= size and value % size == 0:
                return f"{value // size} {unit} (`{value}`)"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _without_none(kind: Any) -> Any:
    """Give X of ``X | None``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (each for each in typing.get_args(kind) if each is not type(None))
    return kind
