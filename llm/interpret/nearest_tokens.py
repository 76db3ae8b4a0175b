"""The nearest neighbours of a token: the tokens whose embeddings are most similar to its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import check_pair
from llm.model import Transformer


@dataclass(frozen=True)
class NearestTokens:
    """The nearest other tokens, nearest first, and their cosine similarities."""

    tokens: Int[Tensor, " neighbour"]
    cosines: Float[Tensor, " neighbour"]


@torch.no_grad()
def nearest_tokens(model: Transformer, token: int, count: int = 10) -> NearestTokens:
    """The other tokens whose embeddings have the greatest cosine similarity a · b / (|a| |b|) with this token's.

    Raises:
        ValueError: a token outside the vocabulary.
    """
    check_pair(model, (token, token))
    unit = nn.functional.normalize(model.embed.W_E, dim=-1)  # [d_vocab, d_model]
    cosines = unit @ unit[token]  # [d_vocab]
    cosines[token] = -torch.inf
    best = cosines.topk(max(0, min(count, len(cosines) - 1)))
    return NearestTokens(best.indices, best.values)
