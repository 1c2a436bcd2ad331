"""The command line: ``python -m scale serve``."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from app.cli.console import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Refine with SAM on several replicas, with Ray Serve.",
)


@app.callback()
def main() -> None:
    """Refine with SAM on several replicas, with Ray Serve."""


@app.command()
def serve(
    replicas: Annotated[int, typer.Option(min=1, help="Replicas of the model; with --max-replicas, the fewest.")] = 2,
    max_replicas: Annotated[int, typer.Option(min=0, help="Most replicas; more are started as needed. 0: never.")] = 0,
    ingresses: Annotated[int, typer.Option(min=1, help="Replicas of the HTTP edge.")] = 1,
    cpus: Annotated[float, typer.Option(min=0, help="CPUs that a replica of the model reserves.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs that a replica of the model reserves.")] = 0.0,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: REFINE_API__HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; default: REFINE_API__PORT.", show_default=False)
    ] = None,
) -> None:
    """Start Ray on this machine, serve until Ctrl-C or SIGTERM, and end everything that was started."""
    from app.segmenter.weights import choose
    from app.settings import check_serving, read_settings

    settings = read_settings()
    check_serving(settings)  # before the slow imports: who forgot a key, or the weights, learns it at once
    choose(settings)

    from scale.options import Options
    from scale.run import running

    options = Options(replicas=replicas, max_replicas=max_replicas or None, ingresses=ingresses, cpus=cpus, gpus=gpus)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    address = (settings.api.host if host is None else host, settings.api.port if port is None else port)
    with running(options, host=address[0], port=address[1], quiet=False) as url:
        typer.echo(f"Serving at {url}; Ctrl-C ends it.")
        while not over.wait(1.0):
            pass
        typer.echo("Finishing the requests in progress ...")


if __name__ == "__main__":
    app(prog_name="python -m scale")
