"""Attention override: redirect a head's attention, to test whether what it attends to matters.

Only the head's pattern is replaced, row by row; everything after it is computed as usual. So any change in the output
was caused by where the head attended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from llm.interpret.attention_patterns import even_pattern
from llm.interpret.recording import blocks, check_heads, hookable_copy
from llm.model import Transformer

Target = Literal["itself", "previous", "first", "evenly", "token"]


@dataclass(frozen=True)
class AttentionOverride:
    """Redirect one head's attention, for one query position or for all of them (None).

    `target`: the query itself, the token before it, the first token, all that the mask shows evenly, or the token at
    position `key`. Queries that cannot attend to the target, which the mask hides from them, keep their rows.
    """

    layer: int
    head: int
    target: Target
    query: int | None = None
    key: int = 0


@contextmanager
def override_attention(model: Transformer, override: AttentionOverride) -> Iterator[Transformer]:
    """The model with one head's attention redirected, on texts of any length.

    The original model is unchanged; after the `with` block the copy computes the same as it.

    Raises:
        ValueError: no such head. In the `with` block: as `overridden_pattern`.
    """
    check_heads(model, [(override.layer, override.head)])

    def replace(_module: nn.Module, _inputs: object, pattern: Tensor) -> Tensor:
        changed = pattern.clone()
        hidden = attention.hidden(pattern.shape[2], pattern.shape[3], pattern.device)  # [query_pos, key_pos]
        changed[:, override.head] = overridden_pattern(pattern[:, override.head], override, hidden)
        return changed

    altered = hookable_copy(model, materialize_pattern=True)
    attention = blocks(altered)[override.layer].attention
    handle = attention.hook_pattern.register_forward_hook(replace)
    try:
        yield altered
    finally:
        handle.remove()


def overridden_pattern(
    pattern: Float[Tensor, "*batch query_pos key_pos"],
    override: AttentionOverride,
    hidden: Bool[Tensor, "query_pos key_pos"],
) -> Float[Tensor, "*batch query_pos key_pos"]:
    """The pattern with the rows that `override` selects replaced; each sums to 1, and none attends to what is `hidden`.

    Raises:
        ValueError: a query or key that does not exist, a query that cannot attend to the key, an unknown target.
    """
    positions = pattern.shape[-1]
    for name, position in (("query", override.query or 0), ("key", override.key)):
        if not 0 <= position < positions:
            raise ValueError(f"{name}={position} does not exist: this text's positions are 0 to {positions - 1}")
    if override.target == "token" and override.query is not None and override.key > override.query:
        raise ValueError(f"position {override.query} cannot attend to position {override.key}, which comes later")
    if override.target == "token" and override.query is not None and hidden[override.query, override.key]:
        raise ValueError(f"position {override.query} cannot attend to position {override.key}: the mask hides it")
    if override.target not in get_args(Target):
        raise ValueError(f"target must be one of {', '.join(get_args(Target))}, got {override.target!r}")
    query = torch.arange(positions, device=pattern.device)  # [query_pos]
    if override.target == "evenly":
        replacement = even_pattern(hidden).to(pattern)  # [query_pos, key_pos]
    else:
        key = {
            "itself": query,
            "previous": (query - 1).clamp(min=0),
            "first": torch.zeros_like(query),
            "token": torch.full_like(query, override.key),
        }[override.target]  # [query_pos]
        replacement = nn.functional.one_hot(key, positions).to(pattern)  # [query_pos, key_pos]
    replaced = replacement.masked_fill(hidden, 0).sum(dim=-1) > 0  # [query_pos]
    if override.query is not None:
        replaced &= query == override.query  # [query_pos]
    return torch.where(replaced[:, None], replacement, pattern)
