"""What a training shows: a bar on a terminal, nothing of it in a log, and no loss where nothing was learned."""

from __future__ import annotations

import pytest

from training.loop.loop import _say
from training.terminal import bar_of


@pytest.mark.parametrize(("variables", "shown"), [({}, False), ({"FORCE_COLOR": "1", "TERM": "xterm"}, True)])
def test_a_bar_is_for_terminals(
    variables: dict[str, str], shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with bar_of("{task.description}") as bar:
        bar.add_task("Encoding", total=3)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("Encoding" in printed.err) == shown


@pytest.mark.parametrize(
    ("point", "line"),
    [
        ({"epoch": 0, "iou": 0.5}, "epoch   0  validation IoU 0.5000\n"),
        ({"epoch": 1, "iou": 0.5, "loss": 0.25}, "epoch   1  loss 0.2500  validation IoU 0.5000\n"),
    ],
)
def test_an_epoch_is_a_line(point: dict[str, float], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    _say(point, False)
    assert capsys.readouterr().out == line
