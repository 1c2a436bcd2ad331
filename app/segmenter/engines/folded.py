"""The mask decoder again, as products of few and large matrices: the same masks in half the time on a CPU.

A head of the package's attention is 8 or 16 numbers wide, so that keys and values of every place of the image are made
and laid out anew for products that are tiny. Here the few tokens carry a head's weights to the image's features
instead, which stay as they are; and the upscaling, whose kernels do not overlap, is one product for each place. Until
the image has heard of the tokens for the first time it is the same for all objects, and is computed once (decision
0064).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm


def decoded_folded(model: Any, levels: list[Tensor], coordinates: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Run the prompt encoder and the mask decoder for one window; see `app.segmenter.engines.torch_engine.decoded`.

    Parameters
    ----------
    model : SAM2Base
        In evaluation mode, with features of high resolution.
    levels : list of Tensor
        (1, c/8, 4h, 4w), (1, c/4, 2h, 2w) and (1, c, h, w).
    coordinates : (b, n, 2)
    labels : (b, n)

    Returns
    -------
    (b, k, 4h, 4w), (b, k)
        Raw values of all masks, and their scores.
    """
    finest, finer, coarsest = levels
    decoder, prompts = model.sam_mask_decoder, model.sam_prompt_encoder
    height, width = coarsest.shape[-2:]
    asked = _asked(decoder, prompts, coordinates, labels)
    place = _rows(prompts.get_dense_pe())
    tokens, image = _two_ways(decoder.transformer, asked, _rows(coarsest + _no_mask(prompts)), place)
    once, norm, first, twice, second = decoder.output_upscaling
    fine = _doubled(image, once) + _rows(_split(finer, height, width))
    fine = first(layer_norm(fine, (fine.shape[-1],), norm.weight, norm.bias, norm.eps))
    fine = second(_doubled(fine, twice) + _rows(_split(finest, height, width)))
    of_scores = int(decoder.pred_obj_scores)
    of_masks = tokens[:, of_scores + 1 : of_scores + 1 + decoder.num_mask_tokens]
    weights = torch.stack([mlp(of_masks[:, at]) for at, mlp in enumerate(decoder.output_hypernetworks_mlps)], 1)
    masks = weights @ fine.transpose(1, 2)
    return _joined(masks, height, width), decoder.iou_prediction_head(tokens[:, of_scores])


def _asked(decoder: Any, prompts: Any, coordinates: Tensor, labels: Tensor) -> Tensor:
    """Give the tokens of the answers, then those of the prompts, (b, t, c)."""
    sparse, _ = prompts(points=(coordinates, labels), boxes=None, masks=None)
    answers = [decoder.iou_token.weight, decoder.mask_tokens.weight]
    if decoder.pred_obj_scores:
        answers.insert(0, decoder.obj_score_token.weight)
    return torch.cat([torch.cat(answers).unsqueeze(0).expand(sparse.shape[0], -1, -1), sparse], 1)


def _no_mask(prompts: Any) -> Tensor:
    weight: Tensor = prompts.no_mask_embed.weight
    return weight.reshape(1, -1, 1, 1)


def _two_ways(transformer: Any, asked: Tensor, image: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Let tokens and image attend to each other; gives both, (b, t, c) and (b, h w, c)."""
    tokens = asked
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            tokens = layer.self_attn(tokens, tokens, tokens)
        else:
            tokens = tokens + layer.self_attn(tokens + asked, tokens + asked, tokens)
        tokens, placed = layer.norm1(tokens), image + place
        tokens = layer.norm2(tokens + _looked(layer.cross_attn_token_to_image, tokens + asked, placed, image))
        tokens = layer.norm3(tokens + layer.mlp(tokens))
        image = layer.norm4(image + _told(layer.cross_attn_image_to_token, placed, tokens + asked, tokens))
    last = _looked(transformer.final_attn_token_to_image, tokens + asked, image + place, image)
    return transformer.norm_final_attn(tokens + last), image


def _looked(attention: Any, tokens: Tensor, placed: Tensor, image: Tensor) -> Tensor:
    """Let tokens attend to the image: each head's query is folded through the weights of its keys.

    What the bias of the keys adds is the same for all places, so that the softmax takes it away.
    """
    count, width = attention.num_heads, attention.internal_dim
    queries = _heads(attention, attention.q_proj(tokens)) / math.sqrt(width // count)
    folded = (queries @ attention.k_proj.weight.reshape(count, width // count, -1)).flatten(1, 2)
    seen = torch.softmax(folded @ placed.transpose(1, 2), -1) @ image
    values = seen.reshape(seen.shape[0], count, -1, seen.shape[-1])
    values = values @ attention.v_proj.weight.reshape(count, width // count, -1).transpose(1, 2)
    found: Tensor = attention.out_proj(values.transpose(1, 2).flatten(2) + attention.v_proj.bias)
    return found


def _told(attention: Any, placed: Tensor, keys: Tensor, tokens: Tensor) -> Tensor:
    """Let the image attend to tokens: keys are folded through the queries' weights, values through the output's."""
    count, width = attention.num_heads, attention.internal_dim
    of_keys = _heads(attention, attention.k_proj(keys)) / math.sqrt(width // count)
    of_values = _heads(attention, attention.v_proj(tokens))
    folded = (of_keys @ attention.q_proj.weight.reshape(count, width // count, -1)).flatten(1, 2)
    common = of_keys @ attention.q_proj.bias.reshape(1, count, -1, 1)
    scores = folded @ placed.transpose(1, 2)
    shares = torch.softmax(scores.reshape(scores.shape[0], count, -1, scores.shape[-1]) + common, 2).flatten(1, 2)
    answers = of_values @ attention.out_proj.weight.transpose(0, 1).reshape(count, width // count, -1)
    told: Tensor = shares.transpose(1, 2) @ answers.flatten(1, 2) + attention.out_proj.bias
    return told


def _heads(attention: Any, values: Tensor) -> Tensor:
    """Part the heads: (b, t, heads x d) to (b, heads, t, d)."""
    count, width = int(attention.num_heads), int(attention.internal_dim)
    return values.reshape(values.shape[0], -1, count, width // count).transpose(1, 2)


def _rows(level: Tensor) -> Tensor:
    """Give a row for each place: (1, c, ...) to (1, n, c)."""
    return level.flatten(2).transpose(1, 2)


def _doubled(image: Tensor, upscaling: Any) -> Tensor:
    """Make four places of each, as a transposed convolution of 2 x 2 with stride 2 does; those of one lie together."""
    inner, outer = upscaling.weight.shape[:2]
    places: Tensor = image @ upscaling.weight.permute(0, 2, 3, 1).reshape(inner, -1) + upscaling.bias.repeat(4)
    return places.reshape(places.shape[0], -1, outer)


def _split(level: Tensor, height: int, width: int) -> Tensor:
    """Order a level as `_doubled` does it once or twice: (1, c, h, w, 2, 2) or (1, c, h, w, 2, 2, 2, 2)."""
    channels = level.shape[1]
    if level.shape[-2] == 2 * height:
        return level.reshape(1, channels, height, 2, width, 2).permute(0, 1, 2, 4, 3, 5)
    return level.reshape(1, channels, height, 2, 2, width, 2, 2).permute(0, 1, 2, 5, 3, 6, 4, 7)


def _joined(masks: Tensor, height: int, width: int) -> Tensor:
    """Bring masks from the order of `_doubled`, twice, back into rows and columns."""
    count = masks.shape[1]
    apart = masks.reshape(-1, count, height, width, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
    return apart.reshape(-1, count, 4 * height, 4 * width)
