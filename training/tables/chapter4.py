"""Chapter 4: both SAMs as they were published."""

from __future__ import annotations

from training.evaluation.metrics import FOUR
from training.tables.arms import BOTH, SAM, SAM2, SAM2_ENCODERS, SAM_ENCODERS
from training.tables.asked import (
    BOX,
    MASKS,
    POINTS_AND_BOXES,
    mask_only,
    side_by_side,
    with_masks,
)
from training.tables.entry import Arm, Asked, Entry, Line, Panel

_AUTOMATIC = Asked(how="automatic")
_OF_THE_PROMPT = tuple(f"prompt_{metric}" for metric in FOUR)
_RAW_VALUES = (
    "The author passed masks of 0 and 1 to models that were trained with logits. Here they are passed in the form that"
    " the checkpoint's card names."
)


def _encoders(number: str, name: str, arms: dict[str, Arm]) -> Entry:
    lines = tuple(Line(label, arm, Asked((BOX,))) for label, arm in arms.items())
    return Entry(number, f"Encoders of {name}", lines=lines, metrics=(*FOUR, "seconds"))


def _automatic(number: str, name: str, arm: Arm, *, complete: bool = False) -> Entry:
    panels = [Panel("image", "image"), Panel("truth", "truth"), Panel("the mask kept", "found", arm, _AUTOMATIC)]
    panels += [Panel("all masks", "masks", arm, _AUTOMATIC)] if complete else []
    return Entry(number, f"Automatic mode, {name}", "figure", panels=tuple(panels))


ENTRIES = (
    Entry(
        "4.1", "Mask types",
        lines=tuple(
            Line(f"{label}, {name}", arm, Asked((mask_only(kind),)))
            for label, kind in MASKS.items() for name, arm in BOTH.items()
        ),
        metrics=(*FOUR, *_OF_THE_PROMPT), panels=side_by_side(SAM2, mask_only("loose")), note=_RAW_VALUES,
    ),
    Entry(
        "4.2", "Points and boxes",
        lines=tuple(
            Line(f"{recipe.name}, {name}", arm, Asked((recipe,)))
            for recipe in POINTS_AND_BOXES for name, arm in BOTH.items()
        ),
        panels=side_by_side(SAM2),
    ),
    Entry(
        "4.3", "Masks with other prompts",
        lines=tuple(
            Line(f"{recipe.name}, {name}", arm, Asked((recipe,)))
            for recipes in zip(with_masks("loose"), with_masks("scribble"), strict=True)
            for name, arm in BOTH.items() for recipe in recipes
        ),
        panels=side_by_side(SAM2, with_masks("scribble")[6]), note=_RAW_VALUES,
    ),
    Entry("4.4", "Datasets", lines=tuple(Line(name, arm, Asked((BOX,))) for name, arm in BOTH.items()),
          panels=side_by_side(SAM2, BOX)),
    Entry("4.5", "Automatic mode", lines=tuple(Line(name, arm, _AUTOMATIC) for name, arm in BOTH.items())),
    _encoders("4.6", "SAM", SAM_ENCODERS),
    _encoders("4.7", "SAM2", SAM2_ENCODERS),
    Entry("figure 4.1", "Freehand polygon tool", "figure",
          elsewhere="nothing to run: a screenshot of Cytomine's own drawing tool"),
    Entry(
        "figure 4.2", "Mask types", "figure",
        panels=(Panel("image", "image"), Panel("truth", "truth"),
                *(Panel(label, "prompt", asked=Asked((mask_only(kind),)))
                  for label, kind in MASKS.items() if kind != "truth")),
    ),
    Entry(
        "figure 4.3", "Predictions from each mask type, SAM2", "figure",
        panels=(Panel("image", "image"), Panel("truth", "truth"),
                *(panel for label, kind in MASKS.items() for panel in (
                    Panel(f"{label}: prompt", "prompt", asked=Asked((mask_only(kind),))),
                    Panel(f"{label}: prediction", "found", SAM2, Asked((mask_only(kind),)))))),
    ),
    Entry("figure 4.4", "Automatic mode: points and masks", "figure",
          panels=(Panel("points", "grid"), Panel("masks", "masks", SAM, _AUTOMATIC)),
          note="The thesis shows a photograph from SAM's own repository; here it is an object from your data."),
    Entry(
        "figure 4.5", "The mask that automatic mode keeps", "figure",
        panels=(Panel("image", "image"), Panel("truth", "truth"), Panel("SAM", "found", SAM, _AUTOMATIC),
                Panel("SAM2", "found", SAM2, _AUTOMATIC)),
    ),
    Entry("figure 4.6", "All masks of automatic mode, SAM2", "figure",
          panels=(Panel("image", "image"), Panel("all masks", "masks", SAM2, _AUTOMATIC))),
    _automatic("figure A.1", "SAM", SAM, complete=True),
    _automatic("figure A.2", "SAM2", SAM2, complete=True),
)  # fmt: skip
