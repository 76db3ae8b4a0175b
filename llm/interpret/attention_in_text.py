"""What a labelled head does in one text: how much of its attention goes where its label says, beside even attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.interpret.attention_patterns import even_pattern
from llm.interpret.copying import earlier_occurrences


@dataclass(frozen=True)
class AttentionInText:
    """Mean attention on the labelled positions, that of a head that attends evenly, and how many queries have one."""

    mean: float
    uniform: float
    positions: int


def attention_in_text(
    pattern: Float[Tensor, "query_pos key_pos"],
    tokens: Int[Tensor, " pos"],
    label: str,
    hidden: Bool[Tensor, "query_pos key_pos"] | None = None,
) -> AttentionInText:
    """Mean of A[q, k(q)] over the query positions q for which the label (see `head_scores.LABELS`) names a key k(q).

    previous: q − 1;  first: 0;  duplicate: p, the latest earlier position of the same token, if q − p > 3;
    induction and copying: p + 1.  Even attention gives 1 / (q + 1), or what the mask makes of it: `hidden` (None: what
    comes later). All are 0 if no position has such a key.
    """
    key = _named_keys(tokens, label)  # [pos]
    (query,) = (key >= 0).nonzero(as_tuple=True)  # [position]
    if len(query) == 0:
        return AttentionInText(0.0, 0.0, 0)
    hidden = ~torch.ones_like(pattern, dtype=torch.bool).tril() if hidden is None else hidden
    mean, uniform = (weights[query, key[query]].double().mean() for weights in (pattern, even_pattern(hidden)))
    return AttentionInText(float(mean), float(uniform), len(query))


def _named_keys(tokens: Int[Tensor, " pos"], label: str) -> Int[Tensor, " pos"]:
    """For each query position the key position that the label names; −1: none."""
    position = torch.arange(len(tokens), device=tokens.device)  # [pos]
    earlier = earlier_occurrences(tokens[None])[0]  # [pos]
    return {
        "previous": position - 1,
        "first": torch.where(position > 0, 0, -1),
        "duplicate": earlier,
        "induction": torch.where(earlier >= 0, earlier + 1, -1),
        "copying": torch.where(earlier >= 0, earlier + 1, -1),
    }[label]
