"""What the decoder answers to a box and clicks, and the raw values that are outlined."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.geometry.clicks import NO_CLICKS, Clicks, RawValues
from app.geometry.frames import WindowXY
from app.geometry.masks import Masks
from app.geometry.prompts import PointPrompt, Prompts
from app.usecases.ports import EncodedWindow, Segmenter
from app.usecases.proposals import Choice, take


@dataclass(frozen=True, slots=True)
class Answer:
    """The decoder's masks, and what clicks do to them."""

    masks: Masks
    clicks: Clicks = NO_CLICKS
    alone: Masks | None = None
    """Those of the box alone, where clicks may let a mask grow near them only; else None."""


def answered(segmenter: Segmenter, encoded: EncodedWindow, prompts: Prompts, *, hints: bool) -> Answer:
    """Ask the decoder.

    Parameters
    ----------
    prompts : Prompts
        Window frame.
    hints : bool
        Whether clicks do nothing beyond what the decoder makes of them.
    """
    if hints or not len(prompts.points):
        return Answer(segmenter.decode(encoded.embedding, prompts))
    asked = [prompts]
    if segmenter.info.judgement.growth == "near clicks" and len(prompts.box):
        asked.append(replace(prompts, points=WindowXY(prompts.points[:0]), labels=()))
    masks, *alone = segmenter.decode_each(encoded.embedding, asked)
    clicks = Clicks.among(prompts, encoded.shape, masks.size)
    return Answer(masks, clicks, alone[0] if alone and clicks.sides else None)


def outlined_values(
    answer: Answer, segmenter: Segmenter, choice: Choice | None, points: tuple[PointPrompt, ...]
) -> RawValues:
    """Give the raw values of a mask as they are outlined: grown near clicks at most, and each click heeded."""
    judgement = segmenter.info.judgement
    values = answer.masks.of(take(answer.masks, choice, points, judgement)).logits
    if answer.alone is not None:
        before = answer.alone.of(take(answer.alone, choice, (), judgement)).logits
        values = answer.clicks.grown(values, before)
    return answer.clicks.heeded(values)
