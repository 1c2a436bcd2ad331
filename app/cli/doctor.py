"""``doctor``: check an installation from where the service runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.console import AsJson, print_json, stderr, stdout

if TYPE_CHECKING:
    from app.doctor import Finding

_MARKS = {"ok": ("ok      ", "green"), "warning": ("warning ", "yellow"), "failed": ("FAILED  ", "bold red")}
_SKIPPED = ("skipped ", "dim")


def doctor(
    image: Annotated[
        int | None,
        typer.Option(help="Id of an image that the service's account may read, to check the direction of its y axis."),
    ] = None,
    nginx: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Output of nginx -T, to check the proxy's timeout."),
    ] = None,
    core: Annotated[
        str, typer.Option(help="Core's name on the network, to check that nginx lets it through.")
    ] = "core",
    as_json: AsJson = False,
) -> None:
    """Check settings, weights, device, Core, PIMS, clocks, keys and proxy, and say how to fix each failure."""
    from app.doctor import examine

    logging.getLogger("app").setLevel(logging.ERROR)  # the findings say it
    findings = []
    for finding in _waited_for(examine(image, nginx, core)):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    states = Counter(finding.state for finding in findings)
    failed, warnings = states["failed"], states["warning"]
    if as_json:
        print_json({"checks": [asdict(each) for each in findings], "failed": failed, "warnings": warnings})
    else:
        stdout().print(_verdict(failed, warnings))
    raise typer.Exit(1 if failed else 0)


def _waited_for(findings: Iterator[Finding]) -> Iterator[Finding]:
    while True:
        with stderr().status("Checking ..."):
            finding = next(findings, None)
        if finding is None:
            return
        yield finding


def _tell(finding: Finding) -> None:
    mark, style = _MARKS.get(finding.state, _SKIPPED)
    stdout().print(mark, style=style, end="")
    stdout().print(f"{finding.about}: {finding.said}")
    if finding.advice:
        stdout().print(f"        {finding.advice}")


def _verdict(failed: int, warnings: int) -> str:
    if not failed and not warnings:
        return "Nothing is wrong."
    counts = ((failed, "failed"), (warnings, "warning" if warnings == 1 else "warnings"))
    return ", ".join(f"{count} {what}" for count, what in counts if count) + "."
