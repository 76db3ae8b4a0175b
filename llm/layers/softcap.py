"""Attention with a soft-cap on scores, for the fused implementation: torch's own fast kernel has none.

score s → cap · tanh(s / cap), so that none is beyond ±cap (Gemma 2, arXiv:2408.00118); what a mask hides or a bias adds
comes after it.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def attend_with_softcap(
    query: Float[Tensor, "batch head query_pos d_head"],
    key: Float[Tensor, "batch kv_head key_pos d_head"],
    value: Float[Tensor, "batch kv_head key_pos d_head"],
    softcap: float,
    mask: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Float[Tensor, "batch head query_pos d_head"]:
    """softmax(cap · tanh(query · key / √d_head / cap) + mask) · value.

    The queries of all heads that share a key are rows of one matrix. `mask`: False where a key is hidden, or numbers
    that are added, of a shape that broadcasts to [batch, head, query_pos, key_pos].
    """
    batch, heads, query_pos, d_head = query.shape
    rows = query.reshape(batch, key.shape[1], -1, d_head)  # [batch, kv_head, group·query_pos, d_head]
    scores = torch.matmul(rows, key.transpose(2, 3))  # [batch, kv_head, group·query_pos, key_pos]
    scores = softcap * torch.tanh(scores / (math.sqrt(d_head) * softcap))  # [batch, kv_head, group·query_pos, key_pos]
    scores = scores.view(batch, heads, query_pos, -1)  # [batch, head, query_pos, key_pos]
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)  # [batch, head, query_pos, key_pos]
    elif mask is not None:
        scores = scores + mask  # [batch, head, query_pos, key_pos]
    pattern = nn.functional.dropout(scores.softmax(dim=-1), dropout_p)  # [batch, head, query_pos, key_pos]
    rows = pattern.view(batch, key.shape[1], -1, pattern.shape[3])  # [batch, kv_head, group·query_pos, key_pos]
    return torch.matmul(rows, value).view(batch, heads, query_pos, d_head)  # [batch, head, query_pos, d_head]
