"""Chapter 5: both SAMs fine-tuned, and what is done to their masks."""

from __future__ import annotations

from dataclasses import replace

from training.evaluation.metrics import AUTHORS_SHAPE, FOUR, SHAPE
from training.finetune.recipe import PRESETS, PROMPT_TYPES
from training.tables.arms import BOTH_TUNED, SAM2_RECIPE, SAM_RECIPE, TUNED_SAM, TUNED_SAM2
from training.tables.asked import before_and_after, everything_at_once, mask_only, shifted, side_by_side, types
from training.tables.entry import After, Arm, Asked, Entry, Line

_BY_PROMPTS = (
    ("box",), ("box", "positive"), ("box", "negative"), ("box", "positive", "negative"),
    ("mask",), ("mask", "positive"), ("mask", "negative"), ("mask", "positive", "negative"),
    ("positive",), ("positive", "negative"), PROMPT_TYPES,
)  # fmt: skip
"""Source: tables 5.5 and 5.6."""
_WHOLE = {"SAM": replace(SAM_RECIPE, tune="all", batch=3), "SAM2": replace(SAM2_RECIPE, tune="all", batch=4)}
_LOOSE_ONLY, _SCRIBBLE_ONLY = Asked((mask_only("loose"),)), Asked((mask_only("scribble"),))


def _losses(number: str, name: str, arm: Arm, original: str) -> Entry:
    assert arm.recipe is not None  # noqa: S101  it is a fine-tuned one
    other = Arm(arm.model, replace(arm.recipe, loss=original))
    lines = (Line("custom", arm, types()), Line("original", other, types()))
    return Entry(number, f"Loss functions, {name}", lines=lines, panels=side_by_side(arm))


def _prompt_types(number: str, name: str, arm: Arm) -> Entry:
    assert arm.recipe is not None  # noqa: S101
    lines = tuple(
        Line(" + ".join(kinds), Arm(arm.model, replace(arm.recipe, prompt_types=kinds)), types(*kinds))
        for kinds in _BY_PROMPTS
    )
    note = "Each row is trained and tested with the prompt types that it names."
    return Entry(number, f"Prompt types, {name}", lines=lines, panels=side_by_side(arm), note=note)


def _post(number: str, name: str, arm: Arm, after: After, metrics: tuple[str, ...]) -> Entry:
    lines = (Line("raw", arm, types()), Line(after, arm, types(after=after)))
    title = f"Post-processing: {after}, {name}"
    return Entry(number, title, lines=lines, metrics=metrics, panels=before_and_after(arm, after))


def _shift(number: str, name: str, arm: Arm, loose: Asked, scribble: Asked, what: str) -> Entry:
    lines = (Line("loose dilation", arm, loose), Line("scribble", arm, scribble))
    note = "The model was trained with loose dilations. For a checkpoint never trained with masks, this means nothing."
    return Entry(number, f"Shift of the mask prompts: {what}, {name}", lines=lines, panels=shifted(arm), note=note)


_SHAPED = (*FOUR, *AUTHORS_SHAPE, "size_retention", *SHAPE)

ENTRIES = (
    _losses("5.1", "SAM", TUNED_SAM, "original-sam"),
    _losses("5.2", "SAM2", TUNED_SAM2, "original-sam2"),
    Entry("5.3", "Datasets to learn from, SAM", every_combination=Line("", TUNED_SAM, types()),
          panels=side_by_side(TUNED_SAM)),
    Entry("5.4", "Datasets to learn from, SAM2", every_combination=Line("", TUNED_SAM2, types()),
          panels=side_by_side(TUNED_SAM2)),
    _prompt_types("5.5", "SAM", TUNED_SAM),
    _prompt_types("5.6", "SAM2", TUNED_SAM2),
    Entry("5.7", "The whole model",
          lines=tuple(Line(name, Arm(arm.model, _WHOLE[name]), types()) for name, arm in BOTH_TUNED.items())),
    _post("5.8", "SAM", TUNED_SAM, "OpenCV", _SHAPED),
    _post("5.9", "SAM2", TUNED_SAM2, "OpenCV", _SHAPED),
    _post("5.10", "SAM", TUNED_SAM, "CascadePSP", _SHAPED),
    _post("5.11", "SAM2", TUNED_SAM2, "CascadePSP", _SHAPED),
    _post("5.12", "SAM", TUNED_SAM, "recirculation", FOUR),
    _post("5.13", "SAM2", TUNED_SAM2, "recirculation", FOUR),
    _shift("5.14", "SAM", TUNED_SAM, _LOOSE_ONLY, _SCRIBBLE_ONLY, "mask only"),
    _shift("5.15", "SAM", TUNED_SAM, everything_at_once("loose"), everything_at_once("scribble"), "all prompts"),
    _shift("5.16", "SAM2", TUNED_SAM2, _LOOSE_ONLY, _SCRIBBLE_ONLY, "mask only"),
    _shift("5.17", "SAM2", TUNED_SAM2, everything_at_once("loose"), everything_at_once("scribble"), "all prompts"),
    Entry("figure 5.1", "Predictions after fine-tuning, SAM", "figure", panels=side_by_side(TUNED_SAM)),
    Entry("figure 5.2", "Predictions after fine-tuning, SAM2", "figure", panels=side_by_side(TUNED_SAM2)),
    Entry("figure 5.3", "Post-processing with OpenCV", "figure", panels=before_and_after(TUNED_SAM2, "OpenCV")),
    Entry("figure 5.4", "CascadePSP on a photograph", "figure",
          elsewhere="nothing to run: a picture from CascadePSP's repository; figure 5.5 shows the same on histology"),
    Entry("figure 5.5", "Post-processing with CascadePSP", "figure", panels=before_and_after(TUNED_SAM2, "CascadePSP")),
    Entry("figure 5.6", "Recirculation", "figure", panels=before_and_after(TUNED_SAM2, "recirculation")),
    Entry("figure B.1", "Shift of the mask prompts, SAM, first example", "figure", panels=shifted(TUNED_SAM)),
    Entry("figure B.2", "Shift of the mask prompts, SAM, second example", "figure", panels=shifted(TUNED_SAM),
          skipped=1),
    Entry("figure B.3", "Shift of the mask prompts, SAM2, first example", "figure", panels=shifted(TUNED_SAM2)),
    Entry("figure B.4", "Shift of the mask prompts, SAM2, second example", "figure", panels=shifted(TUNED_SAM2),
          skipped=1),
)  # fmt: skip

_THESIS, _OURS = PRESETS["thesis"], PRESETS["ours"]
_AS_IN_THE_THESIS = "the thesis' recipe"
_STEPS = {
    _AS_IN_THE_THESIS: _THESIS,
    "proposal of least loss": replace(_THESIS, proposal=_OURS.proposal),
    "estimates of all three": replace(_THESIS, estimates=_OURS.estimates),
    "compared at 256 px": replace(_THESIS, loss_side=_OURS.loss_side),
    "all subsets, by batch": replace(_THESIS, combinations=_OURS.combinations),
    "one to five points": replace(_THESIS, points=_OURS.points),
    "prompts drawn in every epoch": replace(_THESIS, redrawn=_OURS.redrawn),
    "masks as logits": replace(_THESIS, mask_values=_OURS.mask_values),
    "best by IoU, patience": replace(_THESIS, best_by=_OURS.best_by, patience=_OURS.patience),
    "our recipe": _OURS,
}
OF_OURS = (
    Entry(
        "recipes", "Differences between our recipe and the thesis', one by one",
        lines=tuple(
            Line(name, Arm("sam2.1_hiera_b+", recipe), types())
            for name, recipe in {"before training": None, **_STEPS}.items()
        ),
        compared_with=_AS_IN_THE_THESIS,
        note="Each row between the thesis' recipe and ours changes one point of the thesis' recipe to ours.",
    ),
)  # fmt: skip
