"""``similar`` and ``propose``: have objects found, and make annotations of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytomine_refine.cli.connection import HERE, Host, PrivateKey, PublicKey, Service, Signature, connect
from cytomine_refine.cli.console import refusal
from cytomine_refine.cli.searching import Search, search

if TYPE_CHECKING:
    from cytomine_refine import Outline, RefineClient, Wishes

_WHERE, _ACCEPTED, _WRITTEN = "Where to search", "Make annotations", "Write"

Exemplars = Annotated[
    list[int], typer.Argument(help="Ids of annotations that show what to look for.", metavar="ANNOTATION")
]
Image = Annotated[int, typer.Argument(help="Id of the image.", metavar="IMAGE")]
Unlike = Annotated[list[int] | None, typer.Option(help="Id of an annotation of something else; may be repeated.")]
Region = Annotated[
    int | None, typer.Option(help="Search within this annotation instead of the whole image.", rich_help_panel=_WHERE)
]
Box = Annotated[
    tuple[float, float, float, float] | None,
    typer.Option(
        help="Search within this box: level-0 pixels, y up, as in Cytomine.",
        metavar="X_MIN Y_MIN X_MAX Y_MAX",
        rich_help_panel=_WHERE,
    ),
]
Limit = Annotated[int, typer.Option(min=1, help="Stop after this many proposals.")]
MinConfidence = Annotated[float, typer.Option(min=0, max=1, help="Leave out proposals with a lower confidence.")]
MinLikeness = Annotated[float, typer.Option(min=0, max=1, help="Leave out proposals that are less like the examples.")]
Detail = Annotated[int | None, typer.Option(min=4, help="The most vertices an outline may have.", show_default=False)]
Accept = Annotated[
    bool, typer.Option("--accept", help="Turn the proposals into annotations.", rich_help_panel=_ACCEPTED)
]
Terms = Annotated[
    list[int] | None,
    typer.Option("--term", help="Term of the new annotations; may be repeated.", rich_help_panel=_ACCEPTED),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Search again, even though the report has proposals of this search.",
        rich_help_panel=_ACCEPTED,
    ),
]
Jobs = Annotated[
    int, typer.Option(min=1, max=8, help="How many annotations to make at a time.", rich_help_panel=_ACCEPTED)
]
Report = Annotated[
    str,
    typer.Option(help="CSV of the annotations made; an interrupted run continues from it.", rich_help_panel=_ACCEPTED),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print each proposal as a line of JSON as it comes in.", rich_help_panel=_WRITTEN)
]
GeoJson = Annotated[
    Path | None,
    typer.Option(help="Write the proposals for QuPath: NAME.geojson, or a folder.", rich_help_panel=_WRITTEN),
]


def similar(
    annotations: Exemplars, unlike: Unlike = None, region: Region = None, box: Box = None, limit: Limit = 1000,
    min_confidence: MinConfidence = 0.0, min_likeness: MinLikeness = 0.0, detail: Detail = None,
    accept: Accept = False, term: Terms = None, again: Again = False, jobs: Jobs = 2, report: Report = "similar.csv",
    as_json: AsJson = False, geojson: GeoJson = None, host: Host = HERE, service: Service = None,
    public_key: PublicKey = "", private_key: PrivateKey = "", signature: Signature = "full",
) -> None:  # fmt: skip
    """Find objects similar to given annotations; --accept turns them into annotations with the same terms."""
    client = connect(host, public_key, private_key, signature, service)
    exemplars = _looked_up(client, annotations)
    images = {each.image_id for each in exemplars}
    if len(images) > 1:
        raise typer.BadParameter("The examples lie on several images: name those of one.")
    wishes: Wishes = {
        "like": annotations, "unlike": unlike or [], "limit": limit, "min_confidence": min_confidence, "detail": detail,
    }  # fmt: skip
    terms = tuple(term or (_shared_terms(exemplars) if accept else ()))
    asked = Search(
        images.pop(), _region(region, box), wishes, min_likeness, terms, accept, again, jobs, report, as_json, geojson
    )
    search(client, asked)


def propose(
    image: Image, region: Region = None, box: Box = None, limit: Limit = 1000, min_confidence: MinConfidence = 0.0,
    detail: Detail = None, accept: Accept = False, term: Terms = None, again: Again = False, jobs: Jobs = 2,
    report: Report = "proposed.csv", as_json: AsJson = False, geojson: GeoJson = None, host: Host = HERE,
    service: Service = None, public_key: PublicKey = "", private_key: PrivateKey = "", signature: Signature = "full",
) -> None:  # fmt: skip
    """Find every object in a region of an image; --accept turns them into annotations."""
    client = connect(host, public_key, private_key, signature, service)
    wishes: Wishes = {"limit": limit, "min_confidence": min_confidence, "detail": detail}
    asked = Search(
        image, _region(region, box), wishes, 0.0, tuple(term or ()), accept, again, jobs, report, as_json, geojson
    )
    search(client, asked)


def _region(region: int | None, box: tuple[float, float, float, float] | None) -> str | int | None:
    """Give the region as the client takes it: an annotation, WKT, or None for the whole image."""
    from cytomine_refine.proposals import box_wkt

    if region is not None and box is not None:
        raise typer.BadParameter("Give --region or --box, not both.")
    if box is None:
        return region
    if box[0] >= box[2] or box[1] >= box[3]:
        raise typer.BadParameter("--box takes X_MIN Y_MIN X_MAX Y_MAX, the smaller values first.")
    return box_wkt(*box)


def _looked_up(client: RefineClient, annotations: list[int]) -> list[Outline]:
    from cytomine_refine import RefineFailed

    try:
        return [client.outline(number) for number in annotations]
    except RefineFailed as failure:
        raise refusal(str(failure)) from failure


def _shared_terms(exemplars: list[Outline]) -> tuple[int, ...]:
    """Give the terms that all examples have; refuses to choose where they differ."""
    (first, *others) = (set(each.terms) for each in exemplars)
    if any(terms != first for terms in others):
        raise typer.BadParameter("The examples have different terms: choose those of the new annotations with --term.")
    return tuple(sorted(first))
