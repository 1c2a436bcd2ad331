from __future__ import annotations

import pytest

from scripts.check_words import files, findings, main


def test_users_read_no_phrase_that_we_have_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
    names = {file.suffix for file in files()}
    assert names >= {".md", ".py", ".ts"}


def test_a_phrase_is_found_with_its_line_and_what_to_write() -> None:
    assert list(findings("fine\nThis is no slide.")) == [(2, "This is no slide", "This file is not a slide")]
