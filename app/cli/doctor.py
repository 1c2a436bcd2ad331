"""``doctor``: look the installation over."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import stderr, stdout

_MARKS = {"ok": ("ok      ", "green"), "warning": ("warning ", "yellow"), "failed": ("FAILED  ", "bold red")}
_SKIPPED = ("skipped ", "dim")


def doctor(
    image: Annotated[
        int | None, typer.Option(help="An image that the service's account may read: checks the y axis on it.")
    ] = None,
    nginx: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Output of nginx -T: checks the proxy's patience."),
    ] = None,
) -> None:
    """Check settings, weights, device, Core, PIMS, clocks, keys and proxy; say what to do about each failure."""
    from app.doctor import examine

    logging.getLogger("app").setLevel(logging.ERROR)  # the findings say it
    failed = 0
    findings = examine(image, nginx)
    while True:
        with stderr().status("Looking ..."):
            finding = next(findings, None)
        if finding is None:
            break
        mark, style = _MARKS.get(finding.state, _SKIPPED)
        stdout().print(mark, style=style, end="")
        stdout().print(f"{finding.about}: {finding.said}")
        if finding.advice:
            stdout().print(f"        {finding.advice}")
        failed += finding.state == "failed"
    stdout().print("Nothing is wrong." if not failed else f"{failed} to put right.")
    raise typer.Exit(1 if failed else 0)
