"""The results as files: JSON for machines, a page with plots for people."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import jinja2
import matplotlib.pyplot as plt

from bench.rows import Row

_PAGE = jinja2.Environment(autoescape=True).from_string(
    """<!doctype html><html lang="en"><meta charset="utf-8"><title>Refine bench</title>
<style>body{font:15px/1.5 system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}</style>
<h1>How fast is a refine?</h1>
<p>{% for key, value in meta.items() %}{{ key }}: {{ value }}{{ "; " if not loop.last }}{% endfor %}.
The reference is the thesis' pipeline, run in turns with ours.</p>
<img alt="Ours as a share of the reference" src="data:image/png;base64,{{ plot }}">
<table><tr><th>figure<th>ours<th>reference<th>ratio<th>95 %<th>n<th>share of the ceiling<th>
{% for row in rows %}<tr><td>{{ row.name }}<td class="n">{{ shown(row.ours) }} {{ row.unit }}
<td class="n">{{ shown(row.reference) }}<td class="n">{{ shown(row.ratio) }}<td class="n">{{ shown(row.p95) }}
<td class="n">{{ row.n }}<td class="n">{{ shown(row.share_of_ceiling) }}<td>{{ row.note }}
{% endfor %}</table></html>"""
)


def write_results(out: Path, name: str, meta: dict[str, Any], rows: Sequence[Row]) -> Path:
    """Write ``<name>.json``, ``.md`` and ``.html``; gives the page."""
    out.mkdir(parents=True, exist_ok=True)
    kept = [
        {**{key: _number(value) for key, value in asdict(row).items()}, "ratio": _number(row.ratio)} for row in rows
    ]
    (out / f"{name}.json").write_text(json.dumps({"meta": meta, "rows": kept}, indent=2, allow_nan=False) + "\n")
    (out / f"{name}.md").write_text(_markdown(meta, rows))
    page = out / f"{name}.html"
    page.write_text(_PAGE.render(meta=meta, rows=rows, shown=_shown, plot=_plot(rows)) + "\n")
    return page


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.3g}" if value < 1e4 else f"{value:,.0f}"


def _markdown(meta: dict[str, Any], rows: Sequence[Row]) -> str:
    lines = ["# How fast is a refine?", "", "; ".join(f"{key}: {value}" for key, value in meta.items()) + ".", ""]
    lines += [
        "| figure | ours | reference | ratio | 95 % | n | share of the ceiling | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = (row.reference, row.ratio, row.p95)
        lines.append(
            f"| {row.name} | {_shown(row.ours)} {row.unit} | {' | '.join(_shown(each) for each in figures)} "
            f"| {row.n} | {_shown(row.share_of_ceiling)} | {row.note} |"
        )
    return "\n".join(lines) + "\n"


def _plot(rows: Sequence[Row]) -> str:
    """Draw every ratio as a bar, on a logarithmic axis; 1 is the reference."""
    compared = [row for row in rows if row.ratio is not None and math.isfinite(row.ratio)][::-1]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.4 * len(compared)), layout="constrained")
    axes.barh([row.name for row in compared], [row.ratio or 0 for row in compared], color="#3366cc")
    axes.axvline(1, color="#cc3366", label="reference")
    axes.set(xscale="log", xlabel="ours / reference")
    axes.legend(loc="lower right")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)
    return base64.b64encode(stream.getvalue()).decode()
