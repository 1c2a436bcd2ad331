"""What the decoder answers to a box and clicks, and the raw values that are outlined."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.geometry.clicks import NO_CLICKS, Clicks, RawValues
from app.geometry.frames import WindowXY
from app.geometry.judgement import Judgement
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

    def outlined(self, choice: Choice | None, points: tuple[PointPrompt, ...], judgement: Judgement) -> RawValues:
        """Give the raw values that are outlined: those of a mask, grown near clicks at most, with each click heeded."""
        values = self.masks.of(take(self.masks, choice, points, judgement)).logits
        if self.alone is not None:
            before = self.alone.of(take(self.alone, choice, (), judgement)).logits
            values = self.clicks.grown(values, before)
        return self.clicks.heeded(values)


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
