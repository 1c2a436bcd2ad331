"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from training.evaluation import plots
from training.evaluation.calibrate import Judged
from training.evaluation.card_tables import how_far, where_it_grows, which_mask
from training.evaluation.evaluate import ALL_OBJECTS, ALL_RECIPES, AUTOMATIC, BOXES, Row, Summary
from training.evaluation.tables import Table, mean, tables

WORST = 12
WORST_PROMPT = "loosened box"


@dataclass(frozen=True, slots=True)
class Case:
    """One object of which the mask is bad."""

    item: str
    object_type: str
    iou: float
    score: float
    picture: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the report says of itself."""

    title: str
    lines: tuple[tuple[str, str], ...]
    """Name and value."""


def write_report(
    file: Path, facts: Facts, summary: Summary, rows: Sequence[Row], items: Sequence[object], cases: Sequence[Case],
    models: Sequence[str], baselines: Sequence[str], judged: Judged | None = None,
) -> None:  # fmt: skip
    """Write the report.

    Parameters
    ----------
    items : sequence of Item
        What was evaluated.
    cases : sequence of Case
        The worst, in this order.
    models, baselines : sequence of str
        Names of methods, the evaluated model first.
    judged : Judged, optional
        What was fitted for the card.
    """
    model = models[0]
    order = [*dict.fromkeys(recipe.name for recipe in ALL_RECIPES), AUTOMATIC]
    means = {
        method: {
            prompt: value
            for prompt in BOXES
            if (value := mean(summary, method, prompt, ALL_OBJECTS, "iou")) is not None
        }
        for method in [*models, *baselines]
    }
    made: list[Table] = tables(summary, models, baselines)
    of_the_card = [which_mask(judged), where_it_grows(judged), how_far(judged)] if judged else []
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "report.html.jinja").read_text(encoding="utf-8")
    )
    file.write_text(
        template.render(
            facts=facts,
            first=made[0],
            others=made[1:],
            of_the_card=of_the_card,
            reliability_plot=plots.reliability_plot(judged) if judged else "",
            methods_plot=plots.methods_plot(means),
            prompts_plot=plots.prompts_plot(rows, model, order),
            sizes_plot=plots.sizes_plot(rows, items, model, WORST_PROMPT),  # type: ignore[arg-type]
            trust_plot=plots.trust_plot(rows, model, WORST_PROMPT),
            cases=cases,
            worst_prompt=WORST_PROMPT,
        ),
        encoding="utf-8",
    )
