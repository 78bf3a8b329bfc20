"""Attention over packed rows: each row attends only to itself. Imports torch and transformers.

A row's own attention is causal and needs no mask. On CUDA the flash kernel of torch takes all rows at once by their
ends; elsewhere rows are attended to one after the other. Both cost what the rows cost, not the square of their sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

ATTENTION = "suiron_packed"


def attend_packed(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    packed_ends: torch.Tensor | None = None,
    packed_lengths: list[int] | None = None,
    packed_longest: int = 0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers. query: shape (1, heads, tokens, width); key and value may have less heads.

    packed_ends: 0 and the end of each row, int32 on the device, shape (rows + 1,). packed_lengths: the tokens of each
    row; not needed on CUDA. packed_longest: of the longest row. Returns shape (1, tokens, heads, width).
    """
    if query.is_cuda:
        assert packed_ends is not None  # noqa: S101 - given to the model with the rows
        query, key, value = (part[0].transpose(0, 1) for part in (query, key, value))
        query, key = query.to(value.dtype), key.to(value.dtype)
        out = torch.ops.aten._flash_attention_forward(
            query,
            key,
            value,
            packed_ends,
            packed_ends,
            packed_longest,
            packed_longest,
            dropout,
            True,
            return_debug_mask=False,
            scale=scaling,
        )[0]
        return out.unsqueeze(0), None
    assert packed_lengths is not None  # noqa: S101 - given to the model with the rows
    parts = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True)
        for q, k, v in zip(*(torch.split(part, packed_lengths, dim=2) for part in (query, key, value)), strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attend_packed)  # without a function for masks, no mask is made


@contextmanager
def packed_attention(config: Any) -> Iterator[None]:
    """While it is entered, the model with this configuration attends by `attend_packed`."""
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before
