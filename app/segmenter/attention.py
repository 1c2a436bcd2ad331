"""Another form of torch's fused attention, for as long as a model is trained or traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

Attention = Callable[..., Tensor]
"""Takes queries, keys and values, (b, heads, n, d) each, and what else the fused one takes."""


@contextmanager
def attention_by(form: Callable[[Attention], Attention]) -> Iterator[None]:
    """Let every call of torch's attention go to another form of it; `form` makes that from the fused one."""
    functional = cast(Any, torch.nn.functional)
    fused: Attention = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = form(fused)
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = fused
