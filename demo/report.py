"""What the demo prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import shapely
from rich.console import Console
from rich.table import Table

from demo.seeding import SeededImage
from demo.service import SECRET_HEADER, Service

_STEPS = {
    "validity": "Check the annotation",
    "box": "Box prompt",
    "points": "Point prompts",
    "window": "Read the window",
    "encode": "Image encoder",
    "decode": "Mask decoder",
    "postprocess": "Clean and outline the mask",
    "update": "Write back",
    "total": "Total",
}


def show(
    console: Console, result: dict[str, Any], microns: float | None, kind: str, health: dict[str, Any], out: Path
) -> None:
    """Print what a refine did: before and after, the steps' times, where the files are."""
    before, after = (shapely.from_wkt(result[name]) for name in ("previous_location", "location"))
    table = Table(title=f"Annotation {result['annotation_id']} ({kind}), refined with {result['model']['name']}")
    for heading in ("", "drawn", "refined"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("Area, px²", f"{before.area:,.0f}", f"{after.area:,.0f}")
    if microns:
        table.add_row("Area, µm²", f"{before.area * microns**2:,.1f}", f"{after.area * microns**2:,.1f}")
    table.add_row("Vertices", *(str(shapely.get_num_coordinates(each) - 1) for each in (before, after)))
    if result["iou_before"] is not None:
        table.add_row("IoU with the drawn truth", f"{result['iou_before']:.3f}", f"{result['iou_after']:.3f}")
    table.add_row("Score (the model's own IoU estimate)", "", f"{result['score']:.3f}")
    table.add_row("Points used", "", str(len(result["points_used"])))
    console.print(table)
    times = Table(title="Steps, as in the thesis' Table 7.1")
    times.add_column("step")
    times.add_column("ms", justify="right")
    for name, text in _STEPS.items():
        times.add_row(text, f"{result['timings_ms'][name]:.1f}", end_section=name == "update")
    console.print(times)
    if health["warning"]:
        console.print(f"[yellow]{health['warning']}[/]")
    for name in ("picture.png", "refined.geojson", "result.json"):
        console.print(f"  {out / name}", highlight=False, soft_wrap=True)


def invite(
    console: Console,
    viewer: str | None,
    service: Service,
    core_url: str,
    pims_url: str,
    image: SeededImage,
    connection: Path,
) -> None:
    """Print where to go and what to type while the demo serves; `viewer` is None where it was not built."""
    console.rule("Serving")
    without = "not built: it needs Node.js 20.19 or newer; install that and start again"
    console.print(f"  [bold]viewer           {viewer or without}[/]", highlight=False)
    console.print(f"  refine service   {service.url}/sam/docs", highlight=False)
    console.print(f"  Cytomine Core    {core_url}/api", highlight=False)
    console.print(f"  PIMS             {pims_url}", highlight=False)
    console.print(f"  keys and ids     {connection}", highlight=False)
    console.print("\nTry:")
    for line in curl_lines(service, pims_url, image):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    console.print("\nCtrl-C stops both.")


def curl_lines(service: Service, pims_url: str, image: SeededImage) -> list[str]:
    """Give commands that work as they are, while the demo serves."""
    secret = f"-H '{SECRET_HEADER}: {service.secret}'"
    side = min(512, image.width, image.height)
    x, y = (image.width - side) // 2, (image.height - side) // 2
    corners = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    geometry = f'{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[{corners}]}}}}'.replace(" ", "")
    region = f'{{"region":{{"left":{x},"top":{y},"width":{side},"height":{side}}},"length":{side}}}'
    lines = [f"curl -s {service.url}/health"]
    if image.annotations:
        lines.append(f"curl -s -X POST {secret} {service.url}/sam/annotations/{image.annotations[0]}/refine")
    return [
        *lines,
        f"curl -s {secret} -H 'Content-Type: application/json' "
        f'-d \'{{"image_id":{image.id},"geometry":{geometry}}}\' {service.url}/sam/prediction',
        f"curl -s -H 'Accept: image/png' -H 'Content-Type: application/json' -d '{region}' "
        f"-o window.png {pims_url}/image/{quote(image.path)}/window",
    ]
