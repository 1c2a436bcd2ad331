"""``python -m bench.load``: one crowd on one deployment, or every question about many people with a page of plots."""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.console import Group
from bench.load.capacity import Plan, capacity
from bench.load.notes import Spread
from bench.load.observe import Observed, idle_cpu_per_s, observe
from bench.load.people import Habits
from bench.load.report import data_of, sections_of
from bench.load.simulated import Simulation
from bench.load.stage import LoadStage, load_stage
from bench.load.targets import Target, on_ray, plain, ray_cluster
from bench.machine import commit, machine
from bench.page import Section, refresh, write_page

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Let crowds of simulated people use a deployment: one crowd, or every question, with a page of plots.",
)
console = Console()


class Deployment(StrEnum):
    """Where the service runs."""

    PLAIN = "plain"
    RAY = "ray"


@app.command()
def run(
    target: Annotated[Deployment, typer.Option(help="Plain uvicorn, or Ray Serve.")] = Deployment.PLAIN,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas of the model, on Ray Serve.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Sessions that begin per second (open load).")] = 0.3,
    users: Annotated[int, typer.Option(min=0, help="People who stay from start to end.")] = 0,
    seconds: Annotated[float, typer.Option(min=3, max=3600, help="How long people draw boxes, in seconds.")] = 30.0,
    pace: Annotated[float, typer.Option(min=0, help="Factor for all thinking times; 0: nobody thinks.")] = 1.0,
    boxes: Annotated[float, typer.Option(min=1, help="Mean number of boxes in a session; unlimited with users.")] = 8.0,
    prefetched: Annotated[float, typer.Option(min=0, max=1, help="Share of boxes encoded ahead.")] = 0.9,
    again: Annotated[float, typer.Option(min=0, max=0.95, help="Chance of another point and refine.")] = 0.4,
    slides: Annotated[int, typer.Option(min=1, max=10_000, help="How many slides people look at.")] = 24,
    zipf: Annotated[float, typer.Option(min=0, max=5, help="Exponent of the slides' popularity.")] = 0.8,
    encode_ms: Annotated[float, typer.Option(help="Time of the simulated encoder; negative: embedded model.")] = 200.0,
    embedding_share: Annotated[
        float, typer.Option(min=0.001, max=4, help="Size of an embedding, as a share of Hiera-B+'s 16 MiB.")
    ] = 1.0,
    side: Annotated[
        int, typer.Option(min=32, max=1024, help="Side of the windows that the simulated model reads, px.")
    ] = 1024,
    processes: Annotated[int, typer.Option(min=1, max=16, help="Processes of the load generator.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed; another seed gives another crowd.")] = 0,
    folder: Annotated[Path, typer.Option(help="Folder that keeps the slide.")] = Path("out/load"),
) -> None:
    """Let one crowd loose on one deployment."""
    _quiet()
    habits = Habits(boxes=math.inf if users else boxes, prefetched=prefetched, again=again, pace=pace, zipf=zipf)
    simulation = (
        None if encode_ms < 0 else Simulation(encode_s=encode_ms / 1e3, side_px=side, embedding_share=embedding_share)
    )
    with _telling() as tell, load_stage(folder, slides=slides) as stage:
        tell("Starting the service")
        with _deployed(stage, target, simulation, replicas) as where:
            tell(f"People at work for {seconds:g} s")
            crowd = stage.crowd(where.url, habits, seconds, per_second=0 if users else rate, users=users, seed=seed)
            observed, _ = observe(
                stage,
                where,
                crowd,
                idle=idle_cpu_per_s(where),
                known_objects=simulation is not None,
                processes=processes,
            )
    _show(observed)
    if not observed.verdict.clean:
        raise typer.Exit(1)


@app.command(name="capacity")
def all_questions(
    quick: Annotated[bool, typer.Option(help="Take minutes instead of half an hour.")] = False,
    folder: Annotated[Path, typer.Option(help="Folder that keeps the slide.")] = Path("out/load"),
    docs: Annotated[Path | None, typer.Option(help="Folder whose capacity.md and images are updated.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the page, with the results of `python -m bench`.")] = Path(
        "bench/results"
    ),
) -> None:
    """Ask every question, and write a page."""
    _quiet()
    plan, code = Plan.quick() if quick else Plan(), commit()
    with _telling() as tell:
        found = capacity(folder, plan, out, tell)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    meta = {"commit": code, "date": today, "run": "quick" if quick else "full", **machine("cpu")}
    sections = sections_of(found)
    page = write_page(out, "capacity", "How many people?", meta, sections, data_of(found))
    if docs:
        _write_plots(docs / "images", sections)
        refresh(docs / "capacity.md", page.stem, sections)
    console.print(f"The page is {page}")


def _write_plots(folder: Path, sections: Sequence[Section]) -> None:
    """Write the plots for pages that cannot hold them."""
    for section in sections:
        for plot in section.plots:
            name = plot.about.lower().replace(" ", "-")
            (folder / f"capacity-{name}.png").write_bytes(plot.png)


@contextmanager
def _deployed(stage: LoadStage, target: Deployment, simulation: Simulation | None, replicas: int) -> Iterator[Target]:
    if target is Deployment.PLAIN:
        with plain(stage, simulation) as where:
            yield where
    else:
        with ray_cluster(stage) as base, on_ray(base, stage, simulation, replicas) as where:
            yield where


def _show(observed: Observed) -> None:
    """Print what a run showed."""
    table = Table("request", "done", "median", "p95", "p99", "longest", title="Seconds from the wish to the answer")
    for kind, found in [*observed.latency_s.items(), ("generator late", observed.lag_s)]:
        table.add_row(kind, *_cells(found))
    console.print(table)
    told = {
        "refines offered a second": f"{observed.offered_per_s:.2f}",
        "refines done a second": f"{observed.accepted_per_s:.2f}",
        "statuses": observed.statuses,
        "given up": observed.gave_up,
        "embeddings": observed.embeddings,
        "cores busy": f"{observed.machine_busy:.0%}",
        "asked of the platform": observed.asked,
        "verdict": observed.verdict,
    }
    for name, value in told.items():
        console.print(f"{name}: {value}")


def _cells(found: Spread | None) -> list[str]:
    if found is None:
        return ["0"]
    return [str(found.n), *(f"{value:.3f}" for value in (found.median, found.p95, found.p99, found.most))]


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Show what is being done, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("Setting up")

        def tell(what: str) -> None:
            progress.update(task, description=what)

        yield tell


def _quiet() -> None:
    """Leave the terminal to the figures."""
    for name in ("app", "ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    app()
