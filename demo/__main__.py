"""Command line of the demo: ``python -m demo --help``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.console import Command, refusal

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=Command)
def demo(
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Port of the service; Cytomine uses the next one.")
    ] = 6000,
    once: Annotated[bool, typer.Option("--once", help="Stop once the picture is written.")] = False,
    slide: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Your own slide instead of a drawn one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for pictures, results and data.")] = Path("out/demo"),
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Listen beyond loopback, for a container whose port is published on loopback."
        ),
    ] = False,
) -> None:
    """Start an embedded Cytomine with a slide and the refine service, refine a sample and show the result."""
    from demo.run import PortTaken, Unwritable, run
    from demo.service import ServiceDidNotStart
    from slides import NotASlide

    console = Console(width=None if Console().is_terminal else 110)
    try:
        run(port, once=once, slide=slide, out=out, console=console, published=published)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (PortTaken, ServiceDidNotStart, NotASlide, Unwritable) as error:
        raise refusal(str(error)) from error


if __name__ == "__main__":
    app()
