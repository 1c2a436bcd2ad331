"""The tables of a report that tell what was fitted for the checkpoint's card (decisions 0033, 0084 and 0034)."""

from __future__ import annotations

from training.evaluation.calibrate import Judged
from training.evaluation.tables import Table


def which_mask(judged: Judged) -> Table:
    """Tell for every kind of prompts which mask the card takes, and why."""
    rules = dict(judged.judgement.takes)
    rows = [
        (kind, str(n), f"{best:.3f}", f"{gain:+.4f} ({error:.4f})", rules[kind])
        for kind, n, best, gain, error in judged.masks
        if n
    ]
    note = (
        "Mean IoU with equal weight for each dataset; in brackets the standard error of the difference. The single mask"
        " is used if it is better by more than that; the card tells the service."
    )
    return Table("Which mask", note, ("Prompts", "n", "best of three", "single mask, difference", "taken"), tuple(rows))


def where_it_grows(judged: Judged) -> Table:
    """Tell whether clicks should let a mask grow near them only."""
    n, gain, error = judged.near
    note = (
        "Mean IoU with equal weight for each dataset, each way with the mask that is best for it; in brackets the"
        " standard error of the difference. Near clicks is used if it is better by more than that."
    )
    head = ("Prompts with clicks", "near clicks rather than anywhere, difference", "used")
    return Table(
        "Where clicks let a mask grow", note, head, ((str(n), f"{gain:+.4f} ({error:.4f})", judged.judgement.growth),)
    )


def how_far(judged: Judged) -> Table:
    """Tell how well the expected IoU is met, on slides that the map was not fitted on."""
    about = judged.about()
    rows = [
        ("calibrated", f"{about['ece']:.4f}", f"{about['ece_datasets_alike']:.4f}"),
        ("raw score", f"{about['ece_of_the_score']:.4f}", "-"),
    ]
    note = (
        f"{about['prompts']} prompts on {about['slides']} slides; each slide is judged by a map fitted without"
        f" it. {about['share_expected_in_0.75_to_0.95']:.0%} of the expected values lie between 0.75 and 0.95."
    )
    head = ("Expected calibration error, ten bins", "over objects", "over datasets")
    return Table("Calibration of the confidence", note, head, tuple(rows))
