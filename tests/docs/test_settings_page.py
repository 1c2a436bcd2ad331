"""The reference of settings is generated, complete and up to date."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel, Field

from app.settings import PREFIX
from scripts.pages.settings_page import _table, groups, settings_page
from scripts.write_settings import PAGE


def test_the_committed_reference_is_that_of_the_code() -> None:
    assert PAGE.read_text() == settings_page(), "the settings changed: make settings, and review the difference"


def test_every_setting_has_one_row() -> None:
    expected = [f"{PREFIX}{group}__{name}".upper() for group, fields in groups() for name in fields.model_fields]
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == ["API_BASE_PATH", *expected]
    assert len(rows) > 40


def test_a_setting_without_a_description_is_refused() -> None:
    class Group(BaseModel):
        port: int = Field(1)

    with pytest.raises(ValueError, match="REFINE_API__PORT has no description"):
        _table([("REFINE_API__PORT", Group.model_fields["port"])])
