"""The results as files: JSON for machines, text and a page with plots for people."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import jinja2
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from bench.history import retire
from bench.rows import Row

_PAGE = jinja2.Environment(autoescape=True).from_string(
    """<!doctype html><html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<style>body{font:15px/1.5 system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}img{max-width:100%}</style>
<h1>{{ title }}</h1>
<p>{{ told }}.</p>
{% for part in sections %}{% if part.title %}<h2>{{ part.title }}</h2>
{% endif %}{% for text in part.text %}<p>{{ text }}</p>
{% endfor %}{% for plot in part.plots %}<img alt="{{ plot.about }}" src="data:image/png;base64,{{ plot.base64 }}">
{% endfor %}{% for table in part.tables %}<table><tr>{% for name in table.head %}<th>{{ name }}{% endfor %}

{% for row in table.rows %}<tr>
{%- for cell in row %}<td{{ " class=n" if not loop.first and cell[:1].isdigit() }}>{{ cell }}{% endfor %}

{% endfor %}</table>
{% endfor %}{% endfor %}</html>"""
)


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, as PNG."""

    about: str
    png: bytes

    @property
    def base64(self) -> str:
        """For a page that stands alone."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are shown."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> list[str]:
        """Give its lines."""
        return [_line(self.head), "|" + "---|" * len(self.head), *map(_line, self.rows)]


@dataclass(frozen=True, slots=True)
class Section:
    """A question and its answer."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()


def write_results(out: Path, name: str, meta: dict[str, Any], rows: Sequence[Row], limits: Sequence[Row] = ()) -> Path:
    """Write the rows of a bench as ``<name>.json``, ``.md`` and ``.html``; gives the page.

    The name is that of the question: what it said before goes to the history. The machine's limits come first.
    """
    kept = [{**asdict(row), "ratio": row.ratio} for row in (*limits, *rows)]
    head = ("figure", "ours", "reference", "ratio", "95 %", "n", "share of the ceiling", "")
    section = Section(
        "",
        ("The reference is the thesis' pipeline; its runs alternate with ours.",),
        (Table(head, tuple(_cells(row) for row in (*limits, *rows))),),
        (Plot("Ours as a share of the reference", _ratios(rows)),),
    )
    return write_page(out, name, "How fast is a refine?", meta, [section], {"headline": headline(rows), "rows": kept})


def headline(rows: Sequence[Row]) -> str:
    """Say in a line what came out: ratios where there are some, else the figures."""
    told = [row for row in rows if row.ratio is not None] or list(rows)
    return "; ".join(
        f"{row.name}: {shown(row.ours)} {row.unit}" + (f" ({shown(row.ratio)} of the reference)" if row.ratio else "")
        for row in told[:4]
    )


def write_page(
    out: Path, name: str, title: str, meta: dict[str, Any], sections: Sequence[Section], data: dict[str, Any]
) -> Path:
    """Write ``<name>.json`` with the data, ``.md`` and ``.html`` with the sections; gives the page.

    Data may have a ``headline``: what the history says of it when it is no longer the newest.
    """
    out.mkdir(parents=True, exist_ok=True)
    retire(out, name)
    figures = json.dumps(_finite({"meta": meta, **data}), indent=2, allow_nan=False)
    (out / f"{name}.json").write_text(figures + "\n")
    told = "; ".join(f"{key}: {value}" for key, value in meta.items())
    (out / f"{name}.md").write_text(_markdown(title, told, sections))
    page = out / f"{name}.html"
    page.write_text(_PAGE.render(title=title, told=told, sections=sections) + "\n")
    return page


def refresh(document: Path, page: str, sections: Sequence[Section]) -> None:
    """Bring the tables of a document up to date with a page.

    A line ``<!-- table: n of TITLE -->`` begins the place of the n-th table of a section, ``<!-- from -->`` that of the
    page's name; the next ``<!-- end -->`` ends it.
    """
    text = document.read_text()
    places = {
        f"table: {number} of {section.title}": "\n".join(table.markdown())
        for section in sections
        for number, table in enumerate(section.tables, 1)
    }
    for name, content in {**places, "from": f"`bench/results/{page}.md`"}.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, found, after = text.partition(begin)
        if found:
            text = f"{before}{begin}{content}\n{end}{after.partition(end)[2]}"
    document.write_text(text)


def shown(value: float | None) -> str:
    """Write a figure with three digits; nothing where there is none."""
    return "" if value is None or not math.isfinite(value) else f"{value:.3g}" if value < 1e4 else f"{value:,.0f}"


def png_of(figure: Figure) -> bytes:
    """Draw a figure, and close it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)
    return stream.getvalue()


def _cells(row: Row) -> tuple[str, ...]:
    figures = (row.reference, row.ratio, row.p95)
    return (
        row.name,
        f"{shown(row.ours)} {row.unit}",
        *map(shown, figures),
        str(row.n),
        shown(row.share_of_ceiling),
        row.note,
    )


def _finite(value: Any) -> Any:
    """Put null where a figure could not be taken."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(title: str, told: str, sections: Sequence[Section]) -> str:
    lines = [f"# {title}", "", f"{told}.", ""]
    for section in sections:
        lines += [f"## {section.title}", ""] if section.title else []
        for text in section.text:
            lines += [text, ""]
        for table in section.tables:
            lines += [*table.markdown(), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratios(rows: Sequence[Row]) -> bytes:
    """Draw every ratio as a bar, on a logarithmic axis; 1 is the reference."""
    compared = [row for row in rows if row.ratio is not None and math.isfinite(row.ratio)][::-1]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.4 * len(compared)), layout="constrained")
    axes.barh([row.name for row in compared], [row.ratio or 0 for row in compared], color="#3366cc")
    axes.axvline(1, color="#cc3366", label="reference")
    axes.set(xscale="log", xlabel="ours / reference")
    axes.legend(loc="lower right")
    return png_of(figure)
