"""Rounds of simulated corrections: the model learns what a click on its own mistake means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from training.clicks import FAR_OFF, click_on_error, redrawn, with_click
from training.finetune.losses import weighed
from training.finetune.recipe import Recipe
from training.models import Embeddings, Promptable, PromptBatch, chosen

_MASK_GIVEN = 0.3
"""How often a round also gives back the mask that the click corrects."""


def corrected_loss(
    model: Promptable,
    recipe: Recipe,
    embeddings: Embeddings,
    prompts: PromptBatch,
    truth: Tensor,
    rng: np.random.Generator | None,
) -> Tensor:
    """Weigh the answers to the first prompts and to a click in the largest error of each answer, round by round.

    Parameters
    ----------
    prompts : PromptBatch
        The first ones.
    truth : (b, 1, s, s)
    rng : Generator, optional
        Without one there are no rounds.

    Returns
    -------
    scalar
        Mean over first prompts and rounds.
    """
    side = float(model.side)
    rounds = recipe.rounds if rng is not None else 0
    if rounds and rng is not None:
        prompts = replace(prompts, boxes=redrawn(prompts.boxes, recipe.far_off, FAR_OFF, rng))
    logits, scores = model.decode(embeddings, prompts)
    losses = [_loss(model, recipe, logits, scores, truth)]
    for _ in range(rounds):
        assert rng is not None  # noqa: S101  rounds are zero without
        kept, _ = chosen(logits.detach(), scores.detach())
        places, labels = click_on_error(kept, truth, side, rng)
        prompts = with_click(prompts, places, labels, rng, recipe.box_kept)
        back = rng.random() < _MASK_GIVEN and recipe.teaches_masks
        given = kept.sigmoid().unsqueeze(1) if back else prompts.masks
        logits, scores = model.decode(embeddings, replace(prompts, masks=given))
        losses.append(_loss(model, recipe, logits, scores, truth, clicked=True))
    return torch.stack(losses).mean()


def _loss(
    model: Promptable, recipe: Recipe, logits: Tensor, scores: Tensor, truth: Tensor, *, clicked: bool = False
) -> Tensor:
    """Weigh the answers; a click leaves nothing open, so that after one every proposal has to follow it."""
    logits, scores = logits.float(), scores.float()
    alike = 0.5 if clicked else 0.0
    loss = weighed(recipe, logits[:, 1:], scores[:, 1:], truth, model.score_error, alike=alike)
    if recipe.single:
        loss = loss + recipe.single * weighed(recipe, logits[:, :1], scores[:, :1], truth, model.score_error)
    return loss
